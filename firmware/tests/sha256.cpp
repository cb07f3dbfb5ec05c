#include "sha256.h"

#include <cmath>

namespace {

uint32_t rotated(uint32_t word, int by) {
  return word >> by | word << (32 - by);
}

/// The first 32 bits of the fractional part of a root of a prime, which is what the constants are.
uint32_t fraction(double root) {
  return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0);
}

std::vector<uint32_t> primes(size_t count) {
  std::vector<uint32_t> found;
  for (uint32_t number = 2; found.size() < count; number++) {
    bool prime = true;
    for (const uint32_t one : found) prime = prime && number % one != 0;
    if (prime) found.push_back(number);
  }
  return found;
}

void mix(const uint8_t *chunk, const std::vector<uint32_t> &constants, uint32_t (&state)[8]) {
  uint32_t words[64];
  for (int i = 0; i < 16; i++) {
    words[i] =
        static_cast<uint32_t>(chunk[4 * i] << 24 | chunk[4 * i + 1] << 16 | chunk[4 * i + 2] << 8 | chunk[4 * i + 3]);
  }
  for (int i = 16; i < 64; i++) {
    const uint32_t a = words[i - 15];
    const uint32_t b = words[i - 2];
    words[i] = words[i - 16] + words[i - 7] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) +
               (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
  }
  uint32_t v[8];
  for (int i = 0; i < 8; i++) v[i] = state[i];
  for (size_t i = 0; i < 64; i++) {
    // The names move on by one each time, so that the values need not.
    const auto at = [&](size_t place) -> uint32_t & { return v[(64 + place - i) % 8]; };
    const uint32_t a = at(0);
    const uint32_t e = at(4);
    const uint32_t big1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const uint32_t big0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const uint32_t one = at(7) + big1 + ((e & at(5)) ^ (~e & at(6))) + constants[i] + words[i];
    const uint32_t two = big0 + ((a & at(1)) ^ (a & at(2)) ^ (at(1) & at(2)));
    at(3) += one;
    at(7) = one + two;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

}  // namespace

mqtt_ota::Sha256 PlainSha256::finish() const {
  static const std::vector<uint32_t> constants = [] {
    std::vector<uint32_t> made;
    for (const uint32_t prime : primes(64)) made.push_back(fraction(std::cbrt(prime)));
    return made;
  }();
  uint32_t state[8];
  const std::vector<uint32_t> first = primes(8);
  for (size_t i = 0; i < 8; i++) state[i] = fraction(std::sqrt(first[i]));
  std::vector<uint8_t> padded = bytes_;
  padded.push_back(0x80);
  while (padded.size() % 64 != 56) padded.push_back(0);
  for (int shift = 56; shift >= 0; shift -= 8)
    padded.push_back(static_cast<uint8_t>(uint64_t{bytes_.size()} * 8 >> shift));
  for (size_t at = 0; at < padded.size(); at += 64) mix(padded.data() + at, constants, state);
  mqtt_ota::Sha256 digest;
  for (size_t i = 0; i < 32; i++) digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - i % 4 * 8));
  return digest;
}

mqtt_ota::Sha256 sha256_of(const std::vector<uint8_t> &bytes) {
  PlainSha256 sha256;
  sha256.add({bytes.data(), bytes.size()});
  return sha256.finish();
}
