#include "frame.h"

#include <vector>

#include "fuzz.h"

using namespace mqtt_ota;

namespace {

constexpr size_t kCapacity = 600;

FrameReader::Result read(const std::string &frame, size_t piece, FrameReader *reader, std::vector<uint8_t> *block) {
  reader->begin(frame.size(), block->data(), block->size());
  Bytes rest{Text(frame)};
  auto result = reader->feed(rest.first(piece));
  for (rest = rest.after(piece); rest.size > 0 && result == FrameReader::Result::more; rest = rest.after(piece)) {
    result = reader->feed(rest.first(piece));
  }
  return result;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  if (size == 0) return 0;
  const std::string frame = copy_of(input + 1, size - 1);
  std::vector<uint8_t> whole(kCapacity);
  std::vector<uint8_t> pieces(kCapacity);
  FrameReader one;
  FrameReader other;
  const auto result = read(frame, frame.size() + 1, &one, &whole);
  // What comes of a frame must not depend on the pieces that it comes in.
  must(read(frame, size_t{input[0]} + 1, &other, &pieces) == result);
  if (result != FrameReader::Result::done) return 0;
  must(one.block().size == other.block().size && one.block().text() == other.block().text());
  must(one.block().size <= kCapacity && one.block().size >= 1);
  return 0;
}
