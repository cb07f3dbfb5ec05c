// Says of each line `KEY TEXT SIGNATURE`, all in hex, whether the key's owner signed the text.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "esphome/components/mqtt_ota/ota/crypto.h"

namespace {

std::vector<uint8_t> bytes(const std::string &hex) {
  std::vector<uint8_t> all;
  for (size_t at = 0; at + 1 < hex.size(); at += 2)
    all.push_back(static_cast<uint8_t>(std::stoul(hex.substr(at, 2), nullptr, 16)));
  return all;
}

}  // namespace

int main() {
  esphome::mqtt_board::Crypto crypto;
  std::string key, text, signature;
  while (std::cin >> key >> text >> signature) {
    mqtt_ota::PublicKey point;
    mqtt_ota::Signature both;
    std::copy_n(bytes(key).begin(), point.size(), point.begin());
    std::copy_n(bytes(signature).begin(), both.size(), both.begin());
    const std::vector<uint8_t> signed_text = bytes(text);
    // Begun and left: the next one must not be disturbed.
    crypto.sha256_begin();
    crypto.sha256_begin();
    crypto.sha256_update({signed_text.data(), signed_text.size() / 2});
    crypto.sha256_update({signed_text.data() + signed_text.size() / 2, signed_text.size() - signed_text.size() / 2});
    mqtt_ota::Sha256 sha256;
    const bool good = crypto.sha256_finish(&sha256) && crypto.verify(point, sha256, both);
    // What was not begun has no digest.
    puts(crypto.sha256_finish(&sha256) ? "broken" : good ? "good" : "bad");
  }
}
