#include "json.h"

#include "text.h"

namespace mqtt_ota {

namespace {

constexpr uint8_t kDeepest = 8;

class JsonReader {
 public:
  JsonReader(char *json, size_t size, JsonField *fields, size_t count)
      : at_(json), end_(json + size), fields_(fields), count_(count) {}

  bool read() {
    skip_space_();
    return is_next_('{') && members_('}', 0) && at_ == end_;
  }

 private:
  bool value_(JsonField *field, uint8_t depth);
  bool members_(char end, uint8_t depth);
  bool name_(bool is_asked_for, JsonField **field);
  bool text_(Text *text);
  bool escape_(char **into);
  bool code_point_(uint32_t *character);
  bool code_unit_(uint32_t *unit);
  bool word_(JsonField *field);
  // Small and called everywhere: a copy in each place would cost 200 bytes of flash.
  [[gnu::noinline]] bool take_(char c);
  [[gnu::noinline]] void skip_space_();
  bool is_next_(char c) const { return at_ != end_ && *at_ == c; }

  char *at_;
  char *end_;
  JsonField *fields_;
  size_t count_;
};

/// Read a value and the space after it.
bool JsonReader::value_(JsonField *field, uint8_t depth) {
  bool good = false;
  field->kind = JsonKind::other;
  if (is_next_('"')) {
    field->kind = JsonKind::text;
    good = text_(&field->value);
  } else if (is_next_('{')) {
    good = members_('}', static_cast<uint8_t>(depth + 1));
  } else if (is_next_('[')) {
    good = members_(']', static_cast<uint8_t>(depth + 1));
  } else {
    good = word_(field);
  }
  skip_space_();
  return good;
}

/// Read the members of an object or a list up to its end, and the space after it.
bool JsonReader::members_(char end, uint8_t depth) {
  if (depth >= kDeepest) return false;
  at_++;
  skip_space_();
  if (take_(end)) return true;
  do {
    JsonField ignored;
    JsonField *field = &ignored;
    if (end == '}' && !name_(depth == 0, &field)) return false;
    if (!value_(field, depth)) return false;
  } while (take_(','));
  return take_(end);
}

/// Read the name of a member, and turn to the field of this name if somebody asks for it.
bool JsonReader::name_(bool is_asked_for, JsonField **field) {
  Text name;
  if (!is_next_('"') || !text_(&name)) return false;
  skip_space_();
  for (size_t place = 0; is_asked_for && place < count_; place++) {
    if (name == fields_[place].name) *field = &fields_[place];
  }
  return take_(':');
}

bool JsonReader::text_(Text *text) {
  char *const begin = ++at_;
  char *into = begin;
  while (at_ != end_ && *at_ != '"') {
    if (*at_ == '\\') {
      if (!escape_(&into)) return false;
      continue;
    }
    const size_t length = utf8_length({at_, static_cast<size_t>(end_ - at_)});
    if (length == 0 || static_cast<uint8_t>(*at_) < 0x20) return false;
    for (size_t byte = 0; byte < length; byte++) *into++ = *at_++;
  }
  if (at_ == end_) return false;
  at_++;
  *text = {begin, static_cast<size_t>(into - begin)};
  return true;
}

bool JsonReader::escape_(char **into) {
  static constexpr char kNames[] = "\"\\/bfnrt";
  static constexpr char kMeanings[] = "\"\\/\b\f\n\r\t";
  if (++at_ == end_) return false;
  const char c = *at_++;
  for (size_t place = 0; place + 1 < sizeof(kNames); place++) {
    if (c != kNames[place]) continue;
    *(*into)++ = kMeanings[place];
    return true;
  }
  uint32_t character = 0;
  if (c != 'u' || !code_point_(&character)) return false;
  *into = put_utf8(character, *into);
  return true;
}

/// Read the rest of `\u1234`, and with it the second half of a pair. Half a pair alone stays what it is.
bool JsonReader::code_point_(uint32_t *character) {
  if (!code_unit_(character)) return false;
  const bool is_high = *character >= 0xD800 && *character < 0xDC00;
  if (!is_high || !begins_with({at_, static_cast<size_t>(end_ - at_)}, "\\u")) return true;
  char *const second = at_;
  uint32_t low = 0;
  at_ += 2;
  if (!code_unit_(&low)) return false;
  if (low >= 0xDC00 && low < 0xE000) {
    *character = 0x10000 + ((*character - 0xD800) << 10) + (low - 0xDC00);
  } else {
    at_ = second;
  }
  return true;
}

bool JsonReader::code_unit_(uint32_t *unit) {
  if (end_ - at_ < 4) return false;
  char digits[4];
  for (char &digit : digits) {
    digit = *at_++;
    if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit + ('a' - 'A'));
  }
  uint8_t bytes[2];
  if (!read_hex({digits, sizeof(digits)}, bytes, sizeof(bytes))) return false;
  *unit = static_cast<uint32_t>(bytes[0] << 8 | bytes[1]);
  return true;
}

/// Read a number or a word. Of numbers only those are judged that somebody reads: they must be whole.
bool JsonReader::word_(JsonField *field) {
  const char *const begin = at_;
  while (at_ != end_ && is_word({at_, 1}, 1, "+-.")) at_++;
  field->value = {begin, static_cast<size_t>(at_ - begin)};
  if (field->value == "null") {
    field->kind = JsonKind::absent;
  } else if (field->value != "true" && field->value != "false") {
    field->kind = JsonKind::number;
    return begin != at_ && (*begin == '-' || (*begin >= '0' && *begin <= '9'));
  }
  return true;
}

/// Take a character of the structure and the space after it.
bool JsonReader::take_(char c) {
  if (!is_next_(c)) return false;
  at_++;
  skip_space_();
  return true;
}

void JsonReader::skip_space_() {
  while (is_next_(' ') || is_next_('\t') || is_next_('\n') || is_next_('\r')) at_++;
}

}  // namespace

bool read_json_object(char *json, size_t size, JsonField *fields, size_t count) {
  return JsonReader(json, size, fields, count).read();
}

}  // namespace mqtt_ota
