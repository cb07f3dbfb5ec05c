#pragma once

#include "crc32.h"
#include "inflate.h"
#include "protocol.h"

namespace mqtt_ota {

constexpr size_t kFrameHeader = 20;
constexpr size_t kWantHeader = 16;
constexpr size_t kMaxWant = kWantHeader + kMaxWanted / 8;

/// The blocks that a board asks for: bit n of the bitmap is block `first` + n.
struct Want {
  Tag tag = {};
  uint16_t block_size = 0;
  bool probe = false;
  uint32_t first = 0;
  uint8_t bitmap[kMaxWanted / 8] = {};
};

/// Write a want as it travels and return its length: its bitmap ends with the last block.
size_t write_want(const Want &want, uint8_t *into);

/// Reads a frame that comes in pieces, and decodes its block into a buffer that somebody else owns.
class FrameReader {
 public:
  enum class Result : uint8_t { more, done, bad };

  /// Begin a frame of `size` bytes, the block of which fits into `capacity` or is refused.
  void begin(size_t size, uint8_t *into, size_t capacity);
  Result feed(Bytes piece);

  // Of a frame that is `done`:
  Tag tag() const;
  uint32_t offset() const { return get_u32(header_ + 10); }
  Bytes block() const { return {into_, get_u16(header_ + 14)}; }
  /// Of one that is `bad`: what was wrong, in few words.
  const char *cause() const { return cause_; }

 private:
  bool begin_block_();
  bool decode_(Bytes piece);
  bool finish_();

  uint8_t *into_ = nullptr;
  size_t capacity_ = 0;
  size_t left_ = 0;
  size_t read_ = 0;
  size_t copied_ = 0;
  const char *cause_ = nullptr;
  uint8_t header_[kFrameHeader];
  Inflate inflate_;
};

}  // namespace mqtt_ota
