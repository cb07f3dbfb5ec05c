#include <doctest/doctest.h>
#include <zlib.h>

#include <random>
#include <vector>

#include "crc32.h"
#include "inflate.h"

using namespace mqtt_ota;

// Against the library that the other side uses.

namespace {

using Buffer = std::vector<uint8_t>;

Buffer deflated(const Buffer &plain, int level, int window, int strategy) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, level, Z_DEFLATED, -window, 9, strategy) == Z_OK);
  Buffer out(deflateBound(&stream, plain.size()) + 64);
  stream.next_in = const_cast<uint8_t *>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Bytes like those of programs: noise, gaps, and what came before.
Buffer some_bytes(std::mt19937 *random, size_t size) {
  Buffer bytes;
  const auto pick = [&](size_t below) { return (*random)() % below; };
  while (bytes.size() < size) {
    const size_t count = std::min<size_t>(pick(300) + 1, size - bytes.size());
    const size_t kind = pick(4);
    const size_t back = bytes.empty() ? 0 : pick(bytes.size()) + 1;
    const size_t alphabet = pick(256) + 1;
    for (size_t i = 0; i < count; i++) {
      if (kind == 0 || back == 0) {
        bytes.push_back(static_cast<uint8_t>((*random)()));
      } else if (kind == 1) {
        bytes.push_back(0);
      } else if (kind == 2) {
        bytes.push_back(bytes[bytes.size() - back]);
      } else {
        bytes.push_back(static_cast<uint8_t>(pick(alphabet)));
      }
    }
  }
  return bytes;
}

Inflate::Result inflated(const Buffer &stream, size_t piece, Buffer *out, size_t *produced) {
  Inflate inflate;
  inflate.begin(out->data(), out->size());
  auto result = Inflate::Result::more;
  for (size_t at = 0; at < stream.size() && result != Inflate::Result::bad; at += piece) {
    result = inflate.feed({stream.data() + at, std::min(piece, stream.size() - at)});
  }
  *produced = inflate.produced();
  return result;
}

}  // namespace

TEST_CASE("what zlib deflates inflates to the same") {
  std::mt19937 random(1);
  for (const size_t size : {1u, 2u, 100u, 256u, 1000u, 4096u, 16384u}) {
    for (const int level : {0, 1, 6, 9}) {
      for (const int strategy : {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED}) {
        const Buffer plain = some_bytes(&random, size);
        const Buffer stream = deflated(plain, level, 12, strategy);
        for (const size_t piece : {size_t{1}, size_t{5}, size_t{1024}, stream.size()}) {
          Buffer out(size);
          size_t produced = 0;
          REQUIRE(inflated(stream, piece, &out, &produced) == Inflate::Result::done);
          REQUIRE(produced == size);
          REQUIRE(out == plain);
        }
        Buffer small(size - 1);
        size_t produced = 0;
        CHECK(inflated(stream, stream.size(), &small, &produced) == Inflate::Result::bad);
        Buffer longer = stream;
        longer.push_back(0);
        Buffer out(size);
        CHECK(inflated(longer, longer.size(), &out, &produced) == Inflate::Result::bad);
        longer.resize(stream.size() - 1);
        CHECK(inflated(longer, longer.size(), &out, &produced) == Inflate::Result::more);
      }
    }
  }
}

TEST_CASE("what zlib refuses is refused, and what it takes is taken") {
  std::mt19937 random(2);
  for (int times = 0; times < 3000; times++) {
    const Buffer plain = some_bytes(&random, random() % 600 + 1);
    Buffer stream = deflated(plain, 9, 12, random() % 2 ? Z_DEFAULT_STRATEGY : Z_FIXED);
    for (size_t flips = random() % 3 + 1; flips > 0; flips--) {
      stream[random() % std::min<size_t>(stream.size(), 80)] ^= static_cast<uint8_t>(1 << random() % 8);
    }
    Buffer expected(2000);
    z_stream zlib{};
    REQUIRE(inflateInit2(&zlib, -15) == Z_OK);
    zlib.next_in = stream.data();
    zlib.avail_in = static_cast<uInt>(stream.size());
    zlib.next_out = expected.data();
    zlib.avail_out = static_cast<uInt>(expected.size());
    const int code = inflate(&zlib, Z_SYNC_FLUSH);
    const bool good = code == Z_STREAM_END && zlib.avail_in == 0;
    Buffer out(2000);
    size_t produced = 0;
    const bool ours = inflated(stream, 7, &out, &produced) == Inflate::Result::done;
    CAPTURE(times);
    CHECK(ours == good);
    if (ours && good) {
      CHECK(produced == zlib.total_out);
      CHECK(std::equal(out.begin(), out.begin() + static_cast<long>(produced), expected.begin()));
    }
    inflateEnd(&zlib);
  }
}

TEST_CASE("the CRC is zlib's") {
  std::mt19937 random(3);
  for (const size_t size : {0u, 1u, 9u, 1000u}) {
    const Buffer bytes = some_bytes(&random, size);
    Crc32 crc;
    crc.add({bytes.data(), size / 3});
    crc.add({bytes.data() + size / 3, size - size / 3});
    CHECK(crc.value() == crc32(0, bytes.data(), static_cast<uInt>(size)));
  }
}
