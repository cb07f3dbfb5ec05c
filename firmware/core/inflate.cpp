#include "inflate.h"

namespace mqtt_ota {

namespace {

constexpr uint32_t kEndOfBlock = 256;
constexpr uint32_t kFirstLength = 257;
constexpr uint32_t kLongestMatch = 285;

// The order in which the lengths of the code length code are sent.
constexpr uint8_t kCodeLengthOrder[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

// Of the codes 16, 17 and 18 of a length: how many bits follow, and how many times it is repeated at least.
constexpr uint8_t kRepetitionBits[] = {2, 3, 7};
constexpr uint8_t kRepetitions[] = {3, 3, 11};

// Lengths come in groups of four, distances in groups of two; each group has one more extra bit than the one before,
// except for the first two.
uint32_t extra_bits(uint32_t place, uint32_t group) {
  return place < 2 * group ? 0 : place / group - 1;
}

uint32_t base(uint32_t place, uint32_t group) {
  const uint32_t extra = extra_bits(place, group);
  return place < group ? place : (group + place % group) << extra;
}

}  // namespace

void Inflate::begin(uint8_t *into, size_t size) {
  into_ = into;
  size_ = static_cast<uint32_t>(size);
  produced_ = 0;
  bits_ = 0;
  bit_count_ = 0;
  step_ = Step::header;
  last_ = false;
  overflows_ = false;
}

Inflate::Result Inflate::feed(Bytes piece) {
  do {
    for (; bit_count_ <= 24 && piece.size > 0; piece = piece.after(1)) {
      bits_ |= uint32_t{piece.data[0]} << bit_count_;
      bit_count_ += 8;
    }
    if (step_ == Step::end && bit_count_ >= 8) step_ = Step::broken;
    // No step takes more than 16 bits: what cannot be read now has all that there is.
  } while (read_());
  if (step_ == Step::end) return Result::done;
  return step_ == Step::broken ? Result::bad : Result::more;
}

/// Read what the step reads, if it is there, and take it.
bool Inflate::read_() {
  uint32_t value = 0;
  switch (step_) {
    case Step::end:
    case Step::broken:
      return false;
    case Step::symbol:
      if (!decode_(kLiterals, &value)) return false;
      break;
    case Step::length:
      // The code of the lengths lives where that of the distances will.
    case Step::distance:
      if (!decode_(kDistances, &value)) return false;
      break;
    default: {
      static constexpr uint8_t kBits[] = {3, 16, 16, 8, 14, 3};
      const auto place = static_cast<size_t>(step_);
      const uint32_t wanted = place < sizeof(kBits) ? kBits[place] : wanted_;
      if (bit_count_ < wanted) return false;
      value = bits_ & ((1U << wanted) - 1);
      bits_ >>= wanted;
      bit_count_ -= wanted;
    }
  }
  if (step_ != Step::broken) step_ = take_(value);
  return step_ != Step::broken;
}

/// Take what was read, and return what comes next.
Inflate::Step Inflate::take_(uint32_t value) {
  switch (step_) {
    case Step::header:
      return begin_block_(value);
    case Step::stored_length:
      filled_ = static_cast<uint16_t>(value);
      return Step::stored_check;
    case Step::stored_check:
      if ((filled_ ^ value) != 0xFFFF) return Step::broken;
      return filled_ == 0 ? end_block_() : Step::stored_byte;
    case Step::stored_byte:
      return emit_(value, --filled_ == 0 ? end_block_() : Step::stored_byte);
    case Step::counts:
      return begin_dynamic_(value);
    case Step::code_length:
      return take_code_length_(value);
    case Step::length:
      return take_length_(value);
    case Step::repetition:
      if (symbol_ == 0 && filled_ == 0) return Step::broken;
      return repeat_(symbol_ == 0 ? lengths_[filled_ - 1] : 0, kRepetitions[symbol_] + value);
    case Step::symbol:
      return take_symbol_(value);
    case Step::match_length:
      filled_ = static_cast<uint16_t>(symbol_ == kLongestMatch ? 258 : base(symbol_ - kFirstLength, 4) + 3 + value);
      return Step::distance;
    case Step::distance:
      symbol_ = static_cast<uint16_t>(value);
      wanted_ = static_cast<uint8_t>(extra_bits(value, 2));
      return Step::match;
    case Step::match:
      return copy_match_(base(symbol_, 2) + 1 + value);
    default:
      return Step::broken;
  }
}

Inflate::Step Inflate::begin_block_(uint32_t header) {
  last_ = (header & 1) != 0;
  switch (header >> 1) {
    case 0:
      bits_ >>= bit_count_ % 8;
      bit_count_ -= bit_count_ % 8;
      return Step::stored_length;
    case 1:
      memset(lengths_, 8, kFixedLiterals);
      memset(lengths_ + 144, 9, 112);
      memset(lengths_ + 256, 7, 24);
      build_(kLiterals, lengths_, kFixedLiterals);
      // Incomplete by the two codes that stand for nothing.
      memset(lengths_, 5, kMaxDistances);
      build_(kDistances, lengths_, kMaxDistances);
      return Step::symbol;
    case 2:
      return Step::counts;
    default:
      return Step::broken;
  }
}

Inflate::Step Inflate::begin_dynamic_(uint32_t counts) {
  literal_count_ = static_cast<uint16_t>((counts & 31) + 257);
  distance_count_ = static_cast<uint16_t>((counts >> 5 & 31) + 1);
  code_length_count_ = static_cast<uint16_t>((counts >> 10) + 4);
  memset(lengths_, 0, kCodeLengths);
  filled_ = 0;
  return literal_count_ <= kMaxLiterals && distance_count_ <= kMaxDistances ? Step::code_length : Step::broken;
}

Inflate::Step Inflate::take_code_length_(uint32_t length) {
  lengths_[kCodeLengthOrder[filled_++]] = static_cast<uint8_t>(length);
  if (filled_ < code_length_count_) return Step::code_length;
  filled_ = 0;
  return build_(kDistances, lengths_, kCodeLengths) ? Step::length : Step::broken;
}

Inflate::Step Inflate::take_length_(uint32_t symbol) {
  if (symbol < 16) return repeat_(symbol, 1);
  symbol_ = static_cast<uint16_t>(symbol - 16);
  wanted_ = kRepetitionBits[symbol_];
  return Step::repetition;
}

Inflate::Step Inflate::repeat_(uint32_t length, uint32_t times) {
  const uint32_t all = uint32_t{literal_count_} + distance_count_;
  if (filled_ + times > all) return Step::broken;
  memset(lengths_ + filled_, static_cast<int>(length), times);
  filled_ = static_cast<uint16_t>(filled_ + times);
  return filled_ < all ? Step::length : end_lengths_();
}

Inflate::Step Inflate::end_lengths_() {
  const bool good = lengths_[kEndOfBlock] != 0 && build_(kLiterals, lengths_, literal_count_) &&
                    build_(kDistances, lengths_ + literal_count_, distance_count_);
  return good ? Step::symbol : Step::broken;
}

Inflate::Step Inflate::take_symbol_(uint32_t symbol) {
  if (symbol < kEndOfBlock) return emit_(symbol, Step::symbol);
  if (symbol == kEndOfBlock) return end_block_();
  if (symbol > kLongestMatch) return Step::broken;
  symbol_ = static_cast<uint16_t>(symbol);
  wanted_ = static_cast<uint8_t>(symbol == kLongestMatch ? 0 : extra_bits(symbol - kFirstLength, 4));
  return Step::match_length;
}

Inflate::Step Inflate::copy_match_(uint32_t distance) {
  if (distance > produced_ || !has_room_(filled_)) return Step::broken;
  for (; filled_ > 0; filled_--, produced_++) into_[produced_] = into_[produced_ - distance];
  return Step::symbol;
}

Inflate::Step Inflate::emit_(uint32_t byte, Step next) {
  if (!has_room_(1)) return Step::broken;
  into_[produced_++] = static_cast<uint8_t>(byte);
  return next;
}

bool Inflate::has_room_(uint32_t count) {
  overflows_ = count > size_ - produced_;
  return !overflows_;
}

/// Make a code of the lengths of its symbols. An incomplete one must be of a single symbol, as zlib has it.
bool Inflate::build_(Alphabet alphabet, const uint8_t *lengths, uint32_t count) {
  uint16_t *counts = counts_[alphabet];
  memset(counts, 0, sizeof(counts_[alphabet]));
  for (uint32_t symbol = 0; symbol < count; symbol++) counts[lengths[symbol]]++;
  counts[0] = 0;
  uint16_t places[kLongestCode + 1];
  uint32_t place = 0;
  int32_t left = 1;
  for (uint32_t length = 1; length <= kLongestCode; length++) {
    left = 2 * left - counts[length];
    if (left < 0) return false;
    places[length] = static_cast<uint16_t>(place);
    place += counts[length];
  }
  for (uint32_t symbol = 0; symbol < count; symbol++) {
    if (lengths[symbol] == 0) continue;
    const uint32_t at = places[lengths[symbol]]++;
    if (alphabet == kLiterals) {
      literals_[at] = static_cast<uint16_t>(symbol);
    } else {
      distances_[at] = static_cast<uint8_t>(symbol);
    }
  }
  // The code of the lengths must be complete: of a single symbol it would say nothing.
  const bool is_of_lengths = alphabet == kDistances && lengths == lengths_;
  return left == 0 || (place == counts[1] && !is_of_lengths);
}

/// Read a code; false while it is not there. One that stands for nothing breaks the stream.
bool Inflate::decode_(Alphabet alphabet, uint32_t *symbol) {
  uint32_t code = 0;
  uint32_t first = 0;
  uint32_t place = 0;
  for (uint32_t length = 1; length <= kLongestCode; length++) {
    if (length > bit_count_) return false;
    const uint32_t count = counts_[alphabet][length];
    code |= bits_ >> (length - 1) & 1;
    if (code < first + count) {
      const uint32_t at = place + code - first;
      *symbol = alphabet == kLiterals ? literals_[at] : distances_[at];
      bits_ >>= length;
      bit_count_ -= length;
      return true;
    }
    place += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  step_ = Step::broken;
  return true;
}

}  // namespace mqtt_ota
