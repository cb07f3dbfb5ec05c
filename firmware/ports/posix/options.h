#pragma once

#include <string>
#include <vector>

#include "faults.h"
#include "settings.h"

/// What a virtual board is told on its command line; times in seconds, `rate` in kB/s (0: no limit).
struct Options {
  std::string host;
  uint16_t port = 0;
  std::string user;
  std::string password;
  std::string state;
  std::string root = "mqtt_ota";
  std::string id;
  std::string name;
  std::string model;
  std::string chip = "ESP32";
  std::string project;
  std::string version = "1.0.0";
  std::string mac;
  std::string feed;
  uint32_t slot_size = 4 << 20;
  double rate = 0;
  double round_trip = 0;
  double loss = 0;
  double reboot_time = 0.3;
  double sleep_time = 1;
  double awake_time = 2;
  std::vector<mqtt_ota::PublicKey> keys;
  Faults faults;
  /// What of this the board itself is told; its texts point to those above.
  mqtt_ota::Settings settings;

  Options() = default;
  Options(const Options &) = delete;
  Options &operator=(const Options &) = delete;
};

/// Read a command line; ends the program where it makes no sense.
void read_options(int count, char **arguments, Options *options);
