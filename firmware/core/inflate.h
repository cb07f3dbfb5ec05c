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
  enum class Step : uint8_t {
    header,
    stored_length,
    stored_check,
    stored,
    counts,
    code_lengths,
    lengths,
    symbols,
    distance,
    distance_rest,
    end,
  };
  enum class Outcome : uint8_t { on, starved, bad };
  enum Alphabet : uint8_t { kLiterals, kDistances };

  static constexpr uint16_t kMaxLiterals = 286;
  static constexpr uint16_t kFixedLiterals = 288;
  static constexpr uint16_t kMaxDistances = 30;
  static constexpr uint8_t kLongestCode = 15;
  static constexpr uint8_t kLengthCodes = 19;

  Outcome step_();
  Outcome read_header_();
  Outcome read_stored_length_();
  Outcome read_stored_check_();
  Outcome copy_stored_();
  Outcome read_counts_();
  Outcome read_code_lengths_();
  Outcome read_lengths_();
  Outcome read_symbol_();
  Outcome begin_match_(uint16_t symbol, uint8_t used);
  Outcome read_distance_();
  Outcome copy_match_();
  Outcome end_block_();
  void begin_fixed_();
  bool begin_dynamic_();

  bool build_(Alphabet alphabet, const uint8_t *lengths, uint16_t count, bool may_be_single);
  Outcome decode_(Alphabet alphabet, uint16_t *symbol, uint8_t *used) const;
  uint16_t peek_(uint8_t skip, uint8_t count) const;
  void drop_(uint8_t count);
  bool has_room_(size_t count);

  uint8_t *into_ = nullptr;
  size_t size_ = 0;
  size_t produced_ = 0;
  // What has been fed and not been used: always enough for the longest step, or all there is.
  uint32_t bits_ = 0;
  uint8_t bit_count_ = 0;
  Step step_now_ = Step::end;
  bool last_ = false;
  bool bad_ = false;
  bool overflows_ = false;
  uint8_t code_length_count_ = 0;
  uint16_t literal_count_ = 0;
  uint16_t distance_count_ = 0;
  // Where `lengths_` is filled up to; the bytes left of a stored block; the length of a match.
  uint16_t filled_ = 0;
  uint8_t distance_symbol_ = 0;
  uint16_t counts_[2][kLongestCode + 1] = {};
  uint16_t literals_[kFixedLiterals] = {};
  uint8_t distances_[kMaxDistances] = {};
  uint8_t lengths_[kFixedLiterals + kMaxDistances] = {};
};

}  // namespace mqtt_ota
