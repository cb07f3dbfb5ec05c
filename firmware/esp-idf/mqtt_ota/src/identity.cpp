#include "identity.h"

#include <esp_mac.h>
#include <sdkconfig.h>

#include <cstdio>

namespace mqtt_ota {

namespace {

/// Write `esp32c3` as `ESP32-C3`.
void name_family(const char *target, char *into) {
  constexpr size_t kFamily = sizeof("esp32") - 1;
  for (size_t place = 0; target[place] != '\0'; place++) {
    if (place == kFamily) *into++ = '-';
    const char c = target[place];
    *into++ = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  *into = '\0';
}

}  // namespace

void Identity::read() {
  static_assert(sizeof(CONFIG_IDF_TARGET) < sizeof(chip), "the chip's name and a dash");
  uint8_t is[6] = {};
  esp_read_mac(is, ESP_MAC_WIFI_STA);
  snprintf(id, sizeof(id), "%s-%02x%02x%02x%02x%02x%02x", CONFIG_IDF_TARGET, is[0], is[1], is[2], is[3], is[4], is[5]);
  snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", is[0], is[1], is[2], is[3], is[4], is[5]);
  name_family(CONFIG_IDF_TARGET, chip);
}

}  // namespace mqtt_ota
