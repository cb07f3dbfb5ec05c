#include "manifest.h"

#include "fuzz.h"

using namespace mqtt_ota;

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  const std::string text = copy_of(input, size);
  Manifest manifest;
  if (!read_manifest(text, &manifest)) return 0;
  // There is one way to write a manifest.
  std::string hex;
  for (const uint8_t byte : manifest.sha256) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  must(text == "mqtt_ota 1\nmodel=" + std::string(manifest.model) + "\nchip=" + std::string(manifest.chip) +
                   "\nversion=" + std::string(manifest.version) + "\nsize=" + std::to_string(manifest.size) +
                   "\nsha256=" + hex + "\ncounter=" + std::to_string(manifest.counter) + "\n");
  return 0;
}
