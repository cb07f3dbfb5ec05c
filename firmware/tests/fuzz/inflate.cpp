#include "inflate.h"

#include <zlib.h>

#include <vector>

#include "fuzz.h"

using namespace mqtt_ota;

namespace {

constexpr size_t kCapacity = 5000;

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  std::vector<uint8_t> expected(kCapacity);
  z_stream zlib{};
  must(inflateInit2(&zlib, -15) == Z_OK);
  zlib.next_in = const_cast<uint8_t *>(input);
  zlib.avail_in = static_cast<uInt>(size);
  zlib.next_out = expected.data();
  zlib.avail_out = static_cast<uInt>(expected.size());
  const bool good = inflate(&zlib, Z_SYNC_FLUSH) == Z_STREAM_END && zlib.avail_in == 0;
  inflateEnd(&zlib);

  std::vector<uint8_t> block(kCapacity);
  Inflate inflate;
  inflate.begin(block.data(), block.size());
  auto result = Inflate::Result::more;
  for (size_t at = 0; at < size; at += 3) result = inflate.feed(Bytes(input, size).after(at).first(3));
  must(inflate.produced() <= block.size());
  must((result == Inflate::Result::done) == good);
  if (good) must(inflate.produced() == zlib.total_out && block == expected);
  return 0;
}
