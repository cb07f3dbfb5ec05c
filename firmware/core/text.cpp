#include "text.h"

#include "protocol.h"

namespace mqtt_ota {

namespace {

constexpr char kDigits[] = "0123456789abcdef";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

size_t utf8_length(Text text) {
  // For characters of 1 to 4 bytes: what they begin with, and the smallest that needs so many.
  static constexpr uint8_t kLeads[] = {0x00, 0xC0, 0xE0, 0xF0};
  static constexpr uint8_t kMasks[] = {0x80, 0xE0, 0xF0, 0xF8};
  static constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  size_t more = 0;
  const auto byte = [&](size_t place) { return static_cast<uint8_t>(text[place]); };
  while (more < 4 && !text.empty() && (byte(0) & kMasks[more]) != kLeads[more]) more++;
  if (more == 4 || text.size() <= more) return 0;
  uint32_t character = byte(0) & ~uint32_t{kMasks[more]};
  for (size_t place = 1; place <= more; place++) {
    if ((byte(place) & 0xC0) != 0x80) return 0;
    character = character << 6 | (byte(place) & 0x3F);
  }
  const bool is_half = character >= 0xD800 && character < 0xE000;
  return character < kSmallest[more] || is_half || character > 0x10FFFF ? 0 : more + 1;
}

char *put_utf8(uint32_t character, char *into) {
  static constexpr uint8_t kLeads[] = {0x00, 0xC0, 0xE0, 0xF0};
  const uint32_t more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  *into++ = static_cast<char>(kLeads[more] | character >> 6 * more);
  for (uint32_t left = more; left > 0; left--) {
    *into++ = static_cast<char>(0x80 | (character >> 6 * (left - 1) & 0x3F));
  }
  return into;
}

bool is_line(Text text) {
  if (text.empty() || text.size() > kMaxText) return false;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0 || static_cast<uint8_t>(text[0]) < 0x20 || text[0] == 0x7F) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_word(Text text, size_t longest, Text also) {
  for (const char c : text) {
    const char lower = static_cast<char>(c | 0x20);
    const bool is_plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
    if (!is_plain && memchr(also.data(), c, also.size()) == nullptr) return false;
  }
  return !text.empty() && text.size() <= longest;
}

bool read_hex(Text text, uint8_t *into, size_t size) {
  if (text.size() != 2 * size) return false;
  for (size_t place = 0; place < size; place++) {
    const int high = hex_digit(text[2 * place]);
    const int low = hex_digit(text[2 * place + 1]);
    if (high < 0 || low < 0) return false;
    into[place] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

bool read_base64(Text text, uint8_t *into, size_t size) {
  const size_t digits = (8 * size + 5) / 6;
  if (text.size() != (size + 2) / 3 * 4) return false;
  uint32_t bits = 0;
  uint32_t bit_count = 0;
  for (size_t place = 0; place < text.size(); place++) {
    if (place >= digits) {
      if (text[place] != '=') return false;
      continue;
    }
    const int digit = base64_digit(text[place]);
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    *into++ = static_cast<uint8_t>(bits >> bit_count);
  }
  return true;
}

bool read_decimal(Text text, uint32_t *number) {
  if (text.empty() || text.size() > 10 || (text[0] == '0' && text.size() > 1)) return false;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  *number = static_cast<uint32_t>(value);
  return value <= UINT32_MAX;
}

void TextWriter::put(Text text) {
  for (const char c : text) put_(c);
  if (left_ > 0) *into_ = '\0';
}

void TextWriter::put(uint32_t number) {
  char digits[11] = {};
  char *first = digits + sizeof(digits) - 1;
  do {
    *--first = kDigits[number % 10];
    number /= 10;
  } while (number != 0);
  put(Text{first});
}

void TextWriter::put_hex(Bytes bytes) {
  for (size_t place = 0; place < bytes.size; place++) {
    put_(kDigits[bytes.data[place] >> 4]);
    put_(kDigits[bytes.data[place] & 15]);
  }
  put("");
}

void TextWriter::put_quoted(Text text) {
  put_('"');
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20) {
      put("\\u00");
      put_hex({&byte, 1});
    } else {
      if (c == '"' || c == '\\') put_('\\');
      put_(c);
    }
  }
  put("\"");
}

void TextWriter::put_(char c) {
  if (left_ <= 1) whole_ = false;
  if (!whole_) return;
  *into_++ = c;
  left_--;
  size_++;
}

void JsonWriter::text(const char *name, Text value) {
  name_(name);
  put_quoted(value);
}

void JsonWriter::number(const char *name, uint32_t value) {
  name_(name);
  put(value);
}

void JsonWriter::hex(const char *name, Bytes value) {
  name_(name);
  is_first_ = true;
  hex_item(value);
}

void JsonWriter::raw(const char *name, Text value) {
  name_(name);
  put(value);
}

void JsonWriter::begin_list(const char *name) {
  name_(name);
  put_('[');
  is_first_ = true;
}

void JsonWriter::item(Text value) {
  separate_('\0');
  put_quoted(value);
}

void JsonWriter::hex_item(Bytes value) {
  separate_('\0');
  put_('"');
  put_hex(value);
  put_('"');
}

void JsonWriter::end_list() {
  put_(']');
  is_first_ = false;
}

Text JsonWriter::end() {
  put("}");
  return written();
}

void JsonWriter::name_(const char *name) {
  separate_('{');
  put_quoted(name);
  put_(':');
}

/// Write what stands before an element: a comma, or what begins the first one.
void JsonWriter::separate_(char first) {
  const char c = is_first_ ? first : ',';
  if (c != '\0') put_(c);
  is_first_ = false;
}

}  // namespace mqtt_ota
