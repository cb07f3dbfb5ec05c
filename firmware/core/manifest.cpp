#include "manifest.h"

#include "text.h"

namespace mqtt_ota {

namespace {

constexpr size_t kMaxChip = 32;

constexpr const char *kBeginnings[] = {"model=", "chip=", "version=", "size=", "sha256=", "counter="};
constexpr size_t kLines = sizeof(kBeginnings) / sizeof(kBeginnings[0]);

/// Take the next line, which must begin so, and return the rest of it.
bool take_line(Text *text, Text beginning, Text *rest) {
  const size_t end = text->find('\n');
  if (end == Text::npos || !begins_with(*text, beginning)) return false;
  *rest = after(first(*text, end), beginning.size());
  *text = after(*text, end + 1);
  return true;
}

}  // namespace

bool read_manifest(Text text, Manifest *manifest) {
  Text values[kLines];
  Text nothing;
  if (!take_line(&text, "mqtt_ota 1", &nothing) || !nothing.empty()) return false;
  for (size_t line = 0; line < kLines; line++) {
    if (!take_line(&text, kBeginnings[line], &values[line])) return false;
  }
  manifest->model = values[0];
  manifest->chip = values[1];
  manifest->version = values[2];
  return text.empty() && (manifest->model.empty() || is_line(manifest->model)) &&
         is_word(manifest->chip, kMaxChip, "-") && is_line(manifest->version) &&
         read_decimal(values[3], &manifest->size) && manifest->size > 0 &&
         read_hex(values[4], manifest->sha256.data(), manifest->sha256.size()) &&
         read_decimal(values[5], &manifest->counter);
}

}  // namespace mqtt_ota
