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
    return is_next_('{') && object_(0) && at_ == end_;
  }

 private:
  bool value_(JsonField *field, uint8_t depth);
  bool object_(uint8_t depth);
  bool list_(uint8_t depth);
  bool text_(Text *text);
  bool escape_(char **into);
  bool code_unit_(uint32_t *unit);
  bool number_(Text *digits);
  bool digits_();
  bool word_(Text word);
  bool take_(char c);
  bool is_next_(char c) const { return at_ != end_ && *at_ == c; }
  void skip_space_();
  JsonField *field_(Text name);

  char *at_;
  char *end_;
  JsonField *fields_;
  size_t count_;
};

/// Read a value and the space after it.
bool JsonReader::value_(JsonField *field, uint8_t depth) {
  JsonField ignored{""};
  if (field == nullptr) field = &ignored;
  field->kind = JsonKind::other;
  bool good = false;
  if (is_next_('"')) {
    field->kind = JsonKind::text;
    good = text_(&field->value);
  } else if (is_next_('{')) {
    good = object_(static_cast<uint8_t>(depth + 1));
  } else if (is_next_('[')) {
    good = list_(static_cast<uint8_t>(depth + 1));
  } else if (word_("true") || word_("false")) {
    good = true;
  } else if (word_("null")) {
    field->kind = JsonKind::absent;
    good = true;
  } else {
    field->kind = JsonKind::number;
    good = number_(&field->value);
  }
  skip_space_();
  return good;
}

bool JsonReader::object_(uint8_t depth) {
  if (depth >= kDeepest || !take_('{')) return false;
  if (take_('}')) return true;
  do {
    Text name;
    if (!is_next_('"') || !text_(&name)) return false;
    skip_space_();
    if (!take_(':') || !value_(depth == 0 ? field_(name) : nullptr, depth)) return false;
  } while (take_(','));
  return take_('}');
}

bool JsonReader::list_(uint8_t depth) {
  if (depth >= kDeepest || !take_('[')) return false;
  if (take_(']')) return true;
  do {
    if (!value_(nullptr, depth)) return false;
  } while (take_(','));
  return take_(']');
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
  uint32_t unit = 0;
  if (c != 'u' || !code_unit_(&unit)) return false;
  if (unit >= 0xD800 && unit < 0xDC00 && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u') {
    char *const second = at_;
    uint32_t low = 0;
    at_ += 2;
    if (!code_unit_(&low)) return false;
    if (low >= 0xDC00 && low < 0xE000) {
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else {
      at_ = second;
    }
  }
  // Half a pair becomes bytes that are no UTF-8, so that nobody takes the text for a line.
  const int more = unit < 0x80 ? 0 : unit < 0x800 ? 1 : unit < 0x10000 ? 2 : 3;
  static constexpr uint8_t kLeads[] = {0x00, 0xC0, 0xE0, 0xF0};
  *(*into)++ = static_cast<char>(kLeads[more] | unit >> 6 * more);
  for (int left = more - 1; left >= 0; left--) *(*into)++ = static_cast<char>(0x80 | (unit >> 6 * left & 0x3F));
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

bool JsonReader::number_(Text *digits) {
  char *const begin = at_;
  if (is_next_('-')) at_++;
  const bool is_zero = is_next_('0');
  char *const whole = at_;
  if (!digits_() || (is_zero && at_ - whole > 1)) return false;
  if (is_next_('.')) {
    at_++;
    if (!digits_()) return false;
  }
  if (is_next_('e') || is_next_('E')) {
    at_++;
    if (is_next_('+') || is_next_('-')) at_++;
    if (!digits_()) return false;
  }
  *digits = {begin, static_cast<size_t>(at_ - begin)};
  return true;
}

bool JsonReader::digits_() {
  char *const begin = at_;
  while (at_ != end_ && *at_ >= '0' && *at_ <= '9') at_++;
  return at_ != begin;
}

bool JsonReader::word_(Text word) {
  if (!begins_with({at_, static_cast<size_t>(end_ - at_)}, word)) return false;
  at_ += word.size();
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

JsonField *JsonReader::field_(Text name) {
  for (size_t place = 0; place < count_; place++) {
    if (name == fields_[place].name) return &fields_[place];
  }
  return nullptr;
}

}  // namespace

bool read_json_object(char *json, size_t size, JsonField *fields, size_t count) {
  return JsonReader(json, size, fields, count).read();
}

}  // namespace mqtt_ota
