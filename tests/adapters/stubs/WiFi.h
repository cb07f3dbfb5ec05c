#pragma once
#include "Arduino.h"
enum wl_status_t { WL_CONNECTED = 3 };
class Client {};
class WiFiClient : public Client {};
struct WiFiClass {
  void begin(const char *, const char *) {}
  wl_status_t status() const { return WL_CONNECTED; }
};
inline WiFiClass WiFi;
