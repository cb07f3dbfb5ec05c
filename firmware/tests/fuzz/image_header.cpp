#include "image_header.h"

#include "fuzz.h"

using namespace mqtt_ota;

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  const std::string image = copy_of(input, size);
  int chips = 0;
  for (const char *chip : {"ESP32", "ESP32-S2", "ESP32-C3", "ESP32-S3", "ESP32-C6"}) {
    chips += is_bootable(Bytes(Text(image)), chip) ? 1 : 0;
  }
  must(chips <= 1 && (chips == 0 || image.size() >= kImageHead));
  must(chips == 0 || is_bootable(Bytes(Text(image)), "ESP8266"));
  return 0;
}
