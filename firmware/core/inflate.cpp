#include "inflate.h"

namespace mqtt_ota {

namespace {

constexpr uint16_t kEndOfBlock = 256;
constexpr uint16_t kLongestMatch = 285;

// The order in which the lengths of the code length code are sent.
constexpr uint8_t kCodeLengthOrder[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

// Lengths come in groups of four, distances in groups of two; each group has one more extra bit than the one before.
uint8_t length_extra(uint16_t symbol) {
  const int group = (symbol - 257) / 4;
  return static_cast<uint8_t>(symbol == kLongestMatch || group == 0 ? 0 : group - 1);
}

uint16_t length_base(uint16_t symbol) {
  if (symbol == kLongestMatch) return 258;
  const int place = symbol - 257;
  return static_cast<uint16_t>(place < 8 ? place + 3 : ((4 + place % 4) << length_extra(symbol)) + 3);
}

uint8_t distance_extra(uint16_t symbol) {
  return static_cast<uint8_t>(symbol < 2 ? 0 : symbol / 2 - 1);
}

uint16_t distance_base(uint16_t symbol) {
  return static_cast<uint16_t>(symbol < 2 ? symbol + 1 : ((2 + symbol % 2) << distance_extra(symbol)) + 1);
}

}  // namespace

void Inflate::begin(uint8_t *into, size_t size) {
  into_ = into;
  size_ = size;
  produced_ = 0;
  bits_ = 0;
  bit_count_ = 0;
  step_now_ = Step::header;
  last_ = false;
  bad_ = false;
  overflows_ = false;
}

Inflate::Result Inflate::feed(Bytes piece) {
  while (!bad_) {
    while (bit_count_ <= 24 && piece.size > 0) {
      bits_ |= uint32_t{piece.data[0]} << bit_count_;
      bit_count_ = static_cast<uint8_t>(bit_count_ + 8);
      piece = piece.after(1);
    }
    if (step_now_ == Step::end) {
      bad_ = piece.size > 0 || bit_count_ >= 8;
      return bad_ ? Result::bad : Result::done;
    }
    const Outcome outcome = step_();
    // No step needs more than 20 bits: what starves now has all that there is.
    if (outcome == Outcome::starved) return Result::more;
    bad_ = outcome == Outcome::bad;
  }
  return Result::bad;
}

Inflate::Outcome Inflate::step_() {
  switch (step_now_) {
    case Step::header:
      return read_header_();
    case Step::stored_length:
      return read_stored_length_();
    case Step::stored_check:
      return read_stored_check_();
    case Step::stored:
      return copy_stored_();
    case Step::counts:
      return read_counts_();
    case Step::code_lengths:
      return read_code_lengths_();
    case Step::lengths:
      return read_lengths_();
    case Step::symbols:
      return read_symbol_();
    case Step::distance:
      return read_distance_();
    case Step::distance_rest:
      return copy_match_();
    case Step::end:
      break;
  }
  return Outcome::bad;
}

Inflate::Outcome Inflate::read_header_() {
  if (bit_count_ < 3) return Outcome::starved;
  last_ = peek_(0, 1) != 0;
  const uint32_t kind = peek_(1, 2);
  drop_(3);
  if (kind == 3) return Outcome::bad;
  step_now_ = kind == 0 ? Step::stored_length : kind == 1 ? Step::symbols : Step::counts;
  if (kind == 1) begin_fixed_();
  return Outcome::on;
}

Inflate::Outcome Inflate::read_stored_length_() {
  drop_(bit_count_ % 8);
  if (bit_count_ < 16) return Outcome::starved;
  filled_ = peek_(0, 16);
  drop_(16);
  step_now_ = Step::stored_check;
  return Outcome::on;
}

Inflate::Outcome Inflate::read_stored_check_() {
  if (bit_count_ < 16) return Outcome::starved;
  if ((filled_ ^ peek_(0, 16)) != 0xFFFF) return Outcome::bad;
  drop_(16);
  step_now_ = Step::stored;
  return Outcome::on;
}

Inflate::Outcome Inflate::copy_stored_() {
  if (filled_ == 0) return end_block_();
  if (bit_count_ < 8) return Outcome::starved;
  if (!has_room_(1)) return Outcome::bad;
  into_[produced_++] = static_cast<uint8_t>(peek_(0, 8));
  drop_(8);
  filled_--;
  return Outcome::on;
}

Inflate::Outcome Inflate::read_counts_() {
  if (bit_count_ < 14) return Outcome::starved;
  literal_count_ = static_cast<uint16_t>(peek_(0, 5) + 257);
  distance_count_ = static_cast<uint16_t>(peek_(5, 5) + 1);
  code_length_count_ = static_cast<uint8_t>(peek_(10, 4) + 4);
  drop_(14);
  if (literal_count_ > kMaxLiterals || distance_count_ > kMaxDistances) return Outcome::bad;
  memset(lengths_, 0, kLengthCodes);
  filled_ = 0;
  step_now_ = Step::code_lengths;
  return Outcome::on;
}

Inflate::Outcome Inflate::read_code_lengths_() {
  if (filled_ == code_length_count_) {
    // The code of the lengths lives where that of the distances will.
    if (!build_(kDistances, lengths_, kLengthCodes, false)) return Outcome::bad;
    filled_ = 0;
    step_now_ = Step::lengths;
    return Outcome::on;
  }
  if (bit_count_ < 3) return Outcome::starved;
  lengths_[kCodeLengthOrder[filled_++]] = static_cast<uint8_t>(peek_(0, 3));
  drop_(3);
  return Outcome::on;
}

Inflate::Outcome Inflate::read_lengths_() {
  const uint16_t all = static_cast<uint16_t>(literal_count_ + distance_count_);
  if (filled_ == all) return begin_dynamic_() ? Outcome::on : Outcome::bad;
  uint16_t symbol = 0;
  uint8_t used = 0;
  const Outcome outcome = decode_(kDistances, &symbol, &used);
  if (outcome != Outcome::on) return outcome;
  if (symbol < 16) {
    lengths_[filled_++] = static_cast<uint8_t>(symbol);
    drop_(used);
    return Outcome::on;
  }
  const uint8_t extra = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
  if (bit_count_ < used + extra) return Outcome::starved;
  const auto times = static_cast<uint16_t>(peek_(used, extra) + (symbol == 18 ? 11 : 3));
  drop_(static_cast<uint8_t>(used + extra));
  if ((symbol == 16 && filled_ == 0) || filled_ + times > all) return Outcome::bad;
  memset(lengths_ + filled_, symbol == 16 ? lengths_[filled_ - 1] : 0, times);
  filled_ = static_cast<uint16_t>(filled_ + times);
  return Outcome::on;
}

Inflate::Outcome Inflate::read_symbol_() {
  uint16_t symbol = 0;
  uint8_t used = 0;
  const Outcome outcome = decode_(kLiterals, &symbol, &used);
  if (outcome != Outcome::on) return outcome;
  if (symbol > kEndOfBlock) return begin_match_(symbol, used);
  drop_(used);
  if (symbol == kEndOfBlock) return end_block_();
  if (!has_room_(1)) return Outcome::bad;
  into_[produced_++] = static_cast<uint8_t>(symbol);
  return Outcome::on;
}

Inflate::Outcome Inflate::begin_match_(uint16_t symbol, uint8_t used) {
  if (symbol > kLongestMatch) return Outcome::bad;
  const uint8_t extra = length_extra(symbol);
  if (bit_count_ < used + extra) return Outcome::starved;
  filled_ = static_cast<uint16_t>(length_base(symbol) + peek_(used, extra));
  drop_(static_cast<uint8_t>(used + extra));
  step_now_ = Step::distance;
  return Outcome::on;
}

Inflate::Outcome Inflate::read_distance_() {
  uint16_t symbol = 0;
  uint8_t used = 0;
  const Outcome outcome = decode_(kDistances, &symbol, &used);
  if (outcome != Outcome::on) return outcome;
  drop_(used);
  distance_symbol_ = static_cast<uint8_t>(symbol);
  step_now_ = Step::distance_rest;
  return Outcome::on;
}

Inflate::Outcome Inflate::copy_match_() {
  const uint8_t extra = distance_extra(distance_symbol_);
  if (bit_count_ < extra) return Outcome::starved;
  const uint32_t distance = uint32_t{distance_base(distance_symbol_)} + peek_(0, extra);
  drop_(extra);
  if (distance > produced_ || !has_room_(filled_)) return Outcome::bad;
  for (; filled_ > 0; filled_--, produced_++) into_[produced_] = into_[produced_ - distance];
  step_now_ = Step::symbols;
  return Outcome::on;
}

Inflate::Outcome Inflate::end_block_() {
  step_now_ = last_ ? Step::end : Step::header;
  return Outcome::on;
}

void Inflate::begin_fixed_() {
  for (uint16_t symbol = 0; symbol < kFixedLiterals; symbol++) {
    lengths_[symbol] = symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
  }
  build_(kLiterals, lengths_, kFixedLiterals, true);
  memset(lengths_, 5, kMaxDistances);
  // Incomplete by the two codes that stand for nothing.
  build_(kDistances, lengths_, kMaxDistances, true);
}

bool Inflate::begin_dynamic_() {
  step_now_ = Step::symbols;
  return lengths_[kEndOfBlock] != 0 && build_(kLiterals, lengths_, literal_count_, true) &&
         build_(kDistances, lengths_ + literal_count_, distance_count_, true);
}

/// Make a code of the lengths of its symbols. An incomplete one must be of a single symbol, as zlib has it.
bool Inflate::build_(Alphabet alphabet, const uint8_t *lengths, uint16_t count, bool may_be_single) {
  uint16_t *counts = counts_[alphabet];
  memset(counts, 0, sizeof(counts_[alphabet]));
  for (uint16_t symbol = 0; symbol < count; symbol++) counts[lengths[symbol]]++;
  counts[0] = 0;
  uint16_t places[kLongestCode + 1];
  uint16_t place = 0;
  int32_t left = 1;
  bool is_single = may_be_single;
  for (uint8_t length = 1; length <= kLongestCode; length++) {
    left = 2 * left - counts[length];
    if (left < 0) return false;
    if (length > 1 && counts[length] > 0) is_single = false;
    places[length] = place;
    place = static_cast<uint16_t>(place + counts[length]);
  }
  for (uint16_t symbol = 0; symbol < count; symbol++) {
    if (lengths[symbol] == 0) continue;
    const uint16_t at = places[lengths[symbol]]++;
    if (alphabet == kLiterals) {
      literals_[at] = symbol;
    } else {
      distances_[at] = static_cast<uint8_t>(symbol);
    }
  }
  return left == 0 || is_single;
}

/// Find the symbol that comes next, and how many bits its code uses.
Inflate::Outcome Inflate::decode_(Alphabet alphabet, uint16_t *symbol, uint8_t *used) const {
  uint16_t code = 0;
  uint16_t first = 0;
  uint16_t place = 0;
  for (uint8_t length = 1; length <= kLongestCode; length++) {
    if (length > bit_count_) return Outcome::starved;
    const uint16_t count = counts_[alphabet][length];
    code |= peek_(static_cast<uint8_t>(length - 1), 1);
    if (code < first + count) {
      const size_t at = static_cast<size_t>(place + code - first);
      *symbol = alphabet == kLiterals ? literals_[at] : distances_[at];
      *used = length;
      return Outcome::on;
    }
    place = static_cast<uint16_t>(place + count);
    first = static_cast<uint16_t>((first + count) << 1);
    code = static_cast<uint16_t>(code << 1);
  }
  return Outcome::bad;
}

uint16_t Inflate::peek_(uint8_t skip, uint8_t count) const {
  return static_cast<uint16_t>(bits_ >> skip & ((1U << count) - 1));
}

void Inflate::drop_(uint8_t count) {
  bits_ >>= count;
  bit_count_ = static_cast<uint8_t>(bit_count_ - count);
}

bool Inflate::has_room_(size_t count) {
  overflows_ = count > size_ - produced_;
  return !overflows_;
}

}  // namespace mqtt_ota
