#pragma once

#ifdef USE_HOST
#include <cstdint>
#include <string>

#include "hearer.h"

struct mosquitto;
struct mosquitto_message;

namespace esphome::mqtt_board {

/// A connection of its own, by libmosquitto: ESPHome has no MQTT client on host.
class Link final : public core::Broker {
 public:
  explicit Link(Hearer *hearer) : hearer_(hearer) {}
  /// The environment variable MQTT_OTA_BROKER (HOST:PORT) comes before this.
  void set_broker(const std::string &host, uint16_t port);
  void set_credentials(const std::string &user, const std::string &password);
  void setup(const char *availability, const char *leave);
  void set_leave(const char *leave) { this->leave_ = leave; }
  bool is_connected() const { return this->connected_; }
  /// Do what the socket allows; one that `waits` is given a moment for it.
  void loop(bool waits);
  /// Let the broker take what was said, and go.
  void close();

  void publish(const char *topic, core::Bytes payload, uint8_t qos, bool retain) override;
  void subscribe(const char *topic, uint8_t qos) override;
  void unsubscribe(const char *topic) override;

 protected:
  static void on_connect_(mosquitto *, void *link, int code);
  static void on_disconnect_(mosquitto *, void *link, int code);
  static void on_message_(mosquitto *, void *link, const mosquitto_message *message);
  static void on_publish_(mosquitto *, void *link, int id);

  Hearer *hearer_;
  mosquitto *client_ = nullptr;
  std::string host_;
  std::string user_;
  std::string password_;
  std::string availability_;
  const char *leave_ = "offline";
  uint32_t retry_at_ = 0;
  uint32_t unacknowledged_ = 0;
  uint16_t port_ = 0;
  bool connected_ = false;
};

}  // namespace esphome::mqtt_board
#endif
