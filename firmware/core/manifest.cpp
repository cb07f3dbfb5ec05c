#include "manifest.h"

#include "text.h"

namespace mqtt_ota {

namespace {

constexpr size_t kMaxChip = 32;

/// Take the value of the next line, which must be `name=value`.
bool take_line(Text *text, Text name, Text *value) {
  const size_t end = text->find('\n');
  if (end == Text::npos || !begins_with(*text, name)) return false;
  *value = after(first(*text, end), name.size());
  *text = after(*text, end + 1);
  return true;
}

bool is_chip(Text chip) {
  if (chip.empty() || chip.size() > kMaxChip) return false;
  for (const char c : chip) {
    const bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!good) return false;
  }
  return true;
}

}  // namespace

bool read_manifest(Text text, Manifest *manifest) {
  Text header;
  Text size;
  Text sha256;
  Text counter;
  const bool has_lines = take_line(&text, "mqtt_ota 1", &header) && header.empty() &&
                         take_line(&text, "model=", &manifest->model) && take_line(&text, "chip=", &manifest->chip) &&
                         take_line(&text, "version=", &manifest->version) && take_line(&text, "size=", &size) &&
                         take_line(&text, "sha256=", &sha256) && take_line(&text, "counter=", &counter) && text.empty();
  return has_lines && (manifest->model.empty() || is_line(manifest->model)) && is_chip(manifest->chip) &&
         is_line(manifest->version) && read_decimal(size, &manifest->size) && manifest->size > 0 &&
         read_hex(sha256, manifest->sha256.data(), manifest->sha256.size()) &&
         read_decimal(counter, &manifest->counter);
}

}  // namespace mqtt_ota
