#include "held.h"

namespace mqtt_ota {

void Held::reset(uint32_t count, uint32_t held) {
  restore(count, 0);
  if (held == 0) return;
  const uint32_t last = (held - 1) / kChunkBlocks;
  restore(count, last);
  for (uint32_t number = base_ * kChunkBlocks; number < held; number++) add(number);
}

bool Held::has(uint32_t number) const {
  if (number >= count_) return false;
  return number < base_ * kChunkBlocks || (number < end_() && is_set_(number));
}

bool Held::can_take(uint32_t number) const {
  return number < end_() && !has(number);
}

void Held::add(uint32_t number) {
  if (!can_take(number)) return;
  chunk_(number / kChunkBlocks)[number % kChunkBlocks / 8] |= static_cast<uint8_t>(1 << number % 8);
  held_++;
  slide_();
}

uint32_t Held::next_missing(uint32_t from) const {
  const uint32_t begin = base_ * kChunkBlocks;
  for (uint32_t number = from < begin ? begin : from; number < end_(); number++) {
    if (!is_set_(number)) return number;
  }
  return count_;
}

void Held::save_chunk(uint32_t chunk, uint8_t *bits) const {
  if (chunk < base_) {
    memset(bits, 0xFF, kChunkBytes);
  } else {
    memcpy(bits, chunk_(chunk), kChunkBytes);
  }
}

void Held::restore(uint32_t count, uint32_t highest) {
  count_ = count;
  // The highest one was in the window when it was kept: what is below a window that ends with it was full.
  base_ = highest < chunks_ ? 0 : highest - chunks_ + 1;
  held_ = base_ * kChunkBlocks;
  memset(bits_, 0, size_t{chunks_} * kChunkBytes);
}

void Held::restore_chunk(uint32_t chunk, const uint8_t *bits) {
  if (chunk < base_ || chunk >= base_ + chunks_) return;
  for (uint32_t place = 0; place < kChunkBlocks; place++) {
    if ((bits[place / 8] >> place % 8 & 1) != 0) add(chunk * kChunkBlocks + place);
  }
}

uint32_t Held::end_() const {
  const uint32_t end = (base_ + chunks_) * kChunkBlocks;
  return end < count_ ? end : count_;
}

bool Held::is_set_(uint32_t number) const {
  return (chunk_(number / kChunkBlocks)[number % kChunkBlocks / 8] >> number % 8 & 1) != 0;
}

void Held::slide_() {
  while (base_ + chunks_ < chunk_count(count_) && next_missing(0) >= (base_ + 1) * kChunkBlocks) {
    memset(chunk_(base_), 0, kChunkBytes);
    base_++;
  }
}

}  // namespace mqtt_ota
