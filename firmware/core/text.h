#pragma once

#include "bytes.h"

namespace mqtt_ota {

/// The bytes of the UTF-8 character that a text begins with; 0 where there is none.
size_t utf8_length(Text text);

/// Whether a text is 1 to 64 bytes of UTF-8 without control characters.
bool is_line(Text text);

/// Read lower-case hex digits, exactly two for each byte.
bool read_hex(Text text, uint8_t *into, size_t size);

/// Read base64 of exactly `size` bytes, padded as it must be.
bool read_base64(Text text, uint8_t *into, size_t size);

/// Read decimal digits without sign or leading zeros.
bool read_decimal(Text text, uint32_t *number);

/// Writes text into a buffer of fixed size; one that overflows is not `is_whole`, and empty.
class TextWriter {
 public:
  TextWriter(char *into, size_t size) : into_(into), left_(size) { end_(); }

  TextWriter &text(Text text);
  TextWriter &number(uint32_t number);
  TextWriter &hex(Bytes bytes);
  /// Write a JSON string with its quotes.
  TextWriter &quoted(Text text);
  /// Write `,"name":` or, at the beginning, `{"name":`.
  TextWriter &key(Text name);

  bool is_whole() const { return whole_; }
  Text written() const { return whole_ ? Text{into_ - size_, size_} : Text{}; }

 private:
  void put_(char c);
  void end_();

  char *into_;
  size_t left_;
  size_t size_ = 0;
  bool whole_ = true;
};

}  // namespace mqtt_ota
