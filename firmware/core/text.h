#pragma once

#include "bytes.h"

namespace mqtt_ota {

/// The bytes of the UTF-8 character that a text begins with; 0 where there is none.
size_t utf8_length(Text text);

/// Write a character in up to 4 bytes and return where they end. Half a pair becomes bytes that are no UTF-8.
char *put_utf8(uint32_t character, char *into);

/// Whether a text is 1 to 64 bytes of UTF-8 without control characters.
bool is_line(Text text);

/// Whether a text is 1 to `longest` letters, digits and characters of `also`.
bool is_word(Text text, size_t longest, Text also);

/// Read lower-case hex digits, exactly two for each byte.
bool read_hex(Text text, uint8_t *into, size_t size);

/// Read base64 of exactly `size` bytes, padded as it must be.
bool read_base64(Text text, uint8_t *into, size_t size);

/// Read decimal digits without sign or leading zeros.
bool read_decimal(Text text, uint32_t *number);

/// Writes text into a buffer of fixed size; one that overflows is not `is_whole`, and empty.
class TextWriter {
 public:
  TextWriter(char *into, size_t size) : into_(into), left_(size) { put(""); }

  void put(Text text);
  void put(uint32_t number);
  void put_hex(Bytes bytes);
  /// Write a JSON string with its quotes.
  void put_quoted(Text text);

  bool is_whole() const { return whole_; }
  Text written() const { return whole_ ? Text{into_ - size_, size_} : Text{}; }

 protected:
  // Called everywhere: a copy in each place would cost 300 bytes of flash.
  [[gnu::noinline]] void put_(char c);

 private:
  char *into_;
  size_t left_;
  size_t size_ = 0;
  bool whole_ = true;
};

/// Writes a flat JSON object; what `end` returns is empty where it did not fit.
class JsonWriter : private TextWriter {
 public:
  using TextWriter::TextWriter;

  void text(const char *name, Text value);
  void number(const char *name, uint32_t value);
  void hex(const char *name, Bytes value);
  /// Something that is JSON already.
  void raw(const char *name, Text value);
  void begin_list(const char *name);
  void item(Text value);
  void hex_item(Bytes value);
  void end_list();
  Text end();

 private:
  void name_(const char *name);
  [[gnu::noinline]] void separate_(char first);

  bool is_first_ = true;
};

}  // namespace mqtt_ota
