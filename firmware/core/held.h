#pragma once

#include "bytes.h"

namespace mqtt_ota {

/// Which blocks of an image are in the slot.
///
/// A bitmap in chunks of 256 blocks, of which only so many are kept as there is memory for. Where an image has more,
/// they are a window: everything below is held, nothing above can be taken yet, and it slides up as it fills.
class Held {
 public:
  static constexpr uint32_t kChunkBytes = 32;
  static constexpr uint32_t kChunkBlocks = 8 * kChunkBytes;

  /// Use `chunks` times `kChunkBytes` bytes, at least one chunk.
  Held(uint8_t *bits, uint16_t chunks) : bits_(bits), chunks_(chunks) {}

  /// Hold the first `held` of `count` blocks, and no other.
  void reset(uint32_t count, uint32_t held = 0);
  bool has(uint32_t number) const;
  /// Whether a block is lacking and has its place in the window.
  bool can_take(uint32_t number) const;
  void add(uint32_t number);
  /// The first lacking block from `from` on that can be taken, `count()` where there is none.
  uint32_t next_missing(uint32_t from) const;

  uint32_t count() const { return count_; }
  uint32_t held() const { return held_; }
  bool is_whole() const { return held_ == count_; }

  // For whoever keeps it across a loss of power, chunk by chunk.
  uint16_t chunks() const { return chunks_; }
  /// The lowest chunk of the window.
  uint32_t base() const { return base_; }
  static uint32_t chunk_count(uint32_t blocks) { return (blocks + kChunkBlocks - 1) / kChunkBlocks; }
  /// Copy the bits of a chunk in the window or below.
  void save_chunk(uint32_t chunk, uint8_t *bits) const;
  /// Begin to restore what was kept, with the highest chunk that was.
  void restore(uint32_t count, uint32_t highest);
  /// Restore a chunk; one below the window is full already.
  void restore_chunk(uint32_t chunk, const uint8_t *bits);

 private:
  uint8_t *chunk_(uint32_t chunk) const { return bits_ + size_t{chunk % chunks_} * kChunkBytes; }
  /// The first block above the window.
  uint32_t end_() const;
  bool is_set_(uint32_t number) const;
  void slide_();

  uint8_t *bits_;
  uint16_t chunks_;
  uint32_t base_ = 0;
  uint32_t count_ = 0;
  uint32_t held_ = 0;
};

}  // namespace mqtt_ota
