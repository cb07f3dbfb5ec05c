#pragma once

#include "bytes.h"

namespace mqtt_ota {

/// Inflates one raw deflate stream (RFC 1951) that comes in pieces. The output is the window: it takes no other memory.
class Inflate {
 public:
  enum class Result : uint8_t { more, done, bad };

  /// Begin a stream that inflates to `size` bytes at most.
  void begin(uint8_t *into, size_t size);
  /// Take the next piece. A stream that inflates to more, is broken or goes on after its end is bad, and stays so.
  Result feed(Bytes piece);
  /// How many bytes have come out.
  size_t produced() const { return produced_; }
  /// Whether a stream is bad because more than that would have come out.
  bool overflows() const { return overflows_; }

 private:
  // What is read next: each is a code, or a few bits. What is there of neither waits for the next piece.
  enum class Step : uint8_t {
    header,
    stored_length,
    stored_check,
    stored_byte,
    counts,
    code_length,
    length,
    repetition,
    symbol,
    match_length,
    distance,
    match,
    end,
    broken,
  };
  enum Alphabet : uint8_t { kLiterals, kDistances };

  static constexpr uint32_t kMaxLiterals = 286;
  static constexpr uint32_t kFixedLiterals = 288;
  static constexpr uint32_t kMaxDistances = 30;
  static constexpr uint32_t kLongestCode = 15;
  static constexpr uint32_t kCodeLengths = 19;

  bool read_();
  Step take_(uint32_t value);
  Step begin_block_(uint32_t header);
  Step begin_dynamic_(uint32_t counts);
  Step take_code_length_(uint32_t length);
  Step take_length_(uint32_t symbol);
  Step repeat_(uint32_t length, uint32_t times);
  Step take_symbol_(uint32_t symbol);
  Step copy_match_(uint32_t distance);
  Step end_lengths_();
  Step end_block_() const { return last_ ? Step::end : Step::header; }
  Step emit_(uint32_t byte, Step next);

  bool build_(Alphabet alphabet, const uint8_t *lengths, uint32_t count);
  bool decode_(Alphabet alphabet, uint32_t *symbol);
  bool has_room_(uint32_t count);

  uint8_t *into_ = nullptr;
  uint32_t size_ = 0;
  uint32_t produced_ = 0;
  // What has been fed and not been used: always enough for the longest step, or all there is.
  uint32_t bits_ = 0;
  uint32_t bit_count_ = 0;
  Step step_ = Step::end;
  bool last_ = false;
  bool overflows_ = false;
  // How many bits the step takes; the symbol that it belongs to.
  uint8_t wanted_ = 0;
  uint16_t symbol_ = 0;
  uint16_t literal_count_ = 0;
  uint16_t distance_count_ = 0;
  // Where `lengths_` is filled up to; the bytes left of a stored block, or of a match.
  uint16_t filled_ = 0;
  uint16_t code_length_count_ = 0;
  uint16_t counts_[2][kLongestCode + 1];
  uint16_t literals_[kFixedLiterals];
  uint8_t distances_[kMaxDistances];
  uint8_t lengths_[kFixedLiterals + kMaxDistances];
};

}  // namespace mqtt_ota
