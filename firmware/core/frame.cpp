#include "frame.h"

namespace mqtt_ota {

namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kProbe = 1;
constexpr uint8_t kRaw = 0;
constexpr uint8_t kDeflate = 1;

}  // namespace

size_t write_want(const Want &want, uint8_t *into) {
  size_t length = sizeof(want.bitmap);
  while (length > 1 && want.bitmap[length - 1] == 0) length--;
  into[0] = kVersion;
  into[1] = want.probe ? kProbe : 0;
  memcpy(into + 2, want.tag.data(), want.tag.size());
  put_u16(into + 10, want.block_size);
  put_u32(into + 12, want.first);
  memcpy(into + kWantHeader, want.bitmap, length);
  return kWantHeader + length;
}

void FrameReader::begin(size_t size, uint8_t *into, size_t capacity) {
  into_ = into;
  capacity_ = capacity;
  left_ = size;
  read_ = 0;
  copied_ = 0;
  cause_ = size <= kFrameHeader || size > kFrameHeader + kMaxBlockSize ? "wrong length" : nullptr;
}

FrameReader::Result FrameReader::feed(Bytes piece) {
  if (cause_ == nullptr && piece.size > left_) cause_ = "wrong length";
  if (cause_ != nullptr) return Result::bad;
  left_ -= piece.size;
  if (read_ < kFrameHeader) {
    const Bytes head = piece.first(kFrameHeader - read_);
    memcpy(header_ + read_, head.data, head.size);
    read_ += head.size;
    piece = piece.after(head.size);
    if (read_ == kFrameHeader && !begin_block_()) return Result::bad;
  }
  if (!decode_(piece)) return Result::bad;
  if (left_ > 0) return Result::more;
  return finish_() ? Result::done : Result::bad;
}

Tag FrameReader::tag() const {
  Tag tag;
  memcpy(tag.data(), header_ + 2, tag.size());
  return tag;
}

bool FrameReader::begin_block_() {
  const size_t length = block().size;
  const uint8_t encoding = header_[1];
  if (header_[0] != kVersion) {
    cause_ = "unknown version";
  } else if (encoding > kDeflate) {
    cause_ = "unknown encoding";
  } else if (length == 0 || length > capacity_) {
    cause_ = "decoded length out of range";
  }
  if (encoding == kDeflate) inflate_.begin(into_, length);
  return cause_ == nullptr;
}

bool FrameReader::decode_(Bytes piece) {
  if (piece.size == 0) return true;
  const size_t length = block().size;
  if (header_[1] == kRaw) {
    if (piece.size > length - copied_) {
      cause_ = "wrong decoded length";
    } else {
      memcpy(into_ + copied_, piece.data, piece.size);
      copied_ += piece.size;
    }
    return cause_ == nullptr;
  }
  const Inflate::Result result = inflate_.feed(piece);
  const bool ends_with_frame = (result == Inflate::Result::done) == (left_ == 0);
  if (result == Inflate::Result::bad || !ends_with_frame) {
    cause_ = inflate_.overflows() ? "wrong decoded length" : "broken deflate stream";
  }
  copied_ = inflate_.produced();
  return cause_ == nullptr;
}

bool FrameReader::finish_() {
  Crc32 crc;
  crc.add({into_, copied_});
  if (copied_ != block().size) {
    cause_ = "wrong decoded length";
  } else if (crc.value() != get_u32(header_ + 16)) {
    cause_ = "wrong CRC";
  }
  return cause_ == nullptr;
}

}  // namespace mqtt_ota
