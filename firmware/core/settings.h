#pragma once

#include "protocol.h"

namespace mqtt_ota {

/// What a board is and can. Its texts must outlive the board; times are in milliseconds.
struct Settings {
  Text root = "mqtt_ota";
  Text id;
  Text name;
  Text model;
  /// As ESP Web Tools names families: ESP32, ESP32-C3, ...
  Text chip;
  Text project;
  /// Of the running image.
  Text version;
  Text mac;
  /// Where its releases are published.
  Text feed;

  /// The largest block it takes; never more than there is memory for.
  uint16_t block_size = 4096;
  /// Blocks in flight.
  uint8_t window = 8;
  Order order = Order::any;
  bool deflate = true;
  bool blocks = true;
  bool http = false;
  bool https = false;

  /// The keys of which one must have signed an image; without a key every image is taken.
  const PublicKey *keys = nullptr;
  size_t key_count = 0;
  /// No image below this security counter is taken, nor below that of any image confirmed before.
  uint32_t counter = 0;
  bool rollback = true;
  /// Seconds between two wakings; 0: always awake.
  uint32_t wake_interval = 0;

  uint32_t ask_timeout = 2000;
  uint32_t give_up = 300000;
  /// How long a new image may be without the broker before it goes back.
  uint32_t trial = 300000;
};

}  // namespace mqtt_ota
