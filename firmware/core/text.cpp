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
  if (text.empty()) return 0;
  const auto byte = [&](size_t place) { return static_cast<uint8_t>(text[place]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t place = 1; place < length; place++) {
    if ((byte(place) & 0xC0) != 0x80) return 0;
  }
  // Too long for what it says, half a surrogate pair, beyond the last character.
  const uint8_t second = byte(1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
  if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
  return length;
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
  if (text.size() != (size + 2) / 3 * 4) return false;
  const size_t padding = (3 - size % 3) % 3;
  uint32_t bits = 0;
  size_t written = 0;
  for (size_t place = 0; place < text.size(); place++) {
    const bool is_padding = place >= text.size() - padding;
    const int digit = is_padding ? 0 : base64_digit(text[place]);
    if (digit < 0 || (is_padding && text[place] != '=')) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (place % 4 != 3) continue;
    for (int shift = 16; shift >= 0 && written < size; shift -= 8)
      into[written++] = static_cast<uint8_t>(bits >> shift);
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

TextWriter &TextWriter::text(Text text) {
  for (const char c : text) put_(c);
  return *this;
}

TextWriter &TextWriter::number(uint32_t number) {
  char digits[10];
  size_t count = 0;
  do {
    digits[count++] = kDigits[number % 10];
    number /= 10;
  } while (number != 0);
  while (count > 0) put_(digits[--count]);
  return *this;
}

TextWriter &TextWriter::hex(Bytes bytes) {
  for (size_t place = 0; place < bytes.size; place++) {
    put_(kDigits[bytes.data[place] >> 4]);
    put_(kDigits[bytes.data[place] & 15]);
  }
  return *this;
}

TextWriter &TextWriter::quoted(Text text) {
  put_('"');
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20) {
      this->text("\\u00").hex({&byte, 1});
      continue;
    }
    if (c == '"' || c == '\\') put_('\\');
    put_(c);
  }
  put_('"');
  return *this;
}

TextWriter &TextWriter::key(Text name) {
  put_(size_ == 0 ? '{' : ',');
  return quoted(name).text(":");
}

void TextWriter::put_(char c) {
  if (left_ <= 1) whole_ = false;
  if (!whole_) return;
  *into_++ = c;
  left_--;
  size_++;
  end_();
}

void TextWriter::end_() {
  if (left_ > 0) *into_ = '\0';
}

}  // namespace mqtt_ota
