#pragma once

#ifdef USE_ESP32
#include <array>
#include <string>

#include "hearer.h"

namespace esphome::mqtt_board {

/// The connection of ESPHome's own MQTT client, and what the protocol wants of it.
class Link final : public core::Broker {
 public:
  explicit Link(Hearer *hearer) : hearer_(hearer) {}
  /// Take the client's last will for this topic, before it connects. `leave` is what it says when it goes.
  void setup(const char *availability, const char *leave);
  /// Say this when it goes.
  void set_leave(const char *leave);
  bool is_connected() const;
  void loop(bool) { this->drop_(); }
  /// The client says goodbye itself.
  void close() {}

  void publish(const char *topic, core::Bytes payload, uint8_t qos, bool retain) override;
  void subscribe(const char *topic, uint8_t qos) override;
  void unsubscribe(const char *topic) override;

 protected:
  void drop_();

  Hearer *hearer_;
  std::string availability_;
  // What the client knows, and subscribes to again by itself: offer, cancel, and frames of an old and a new way.
  std::array<std::string, 4> topics_;
  // Unsubscribed from only outside of the client's callbacks, as they run through its list.
  std::array<bool, 4> dropped_ = {};
};

}  // namespace esphome::mqtt_board
#endif
