#pragma once

#include <PubSubClient.h>

#include "ports.h"
#include "settings.h"

namespace mqtt_ota {

/// The broker by PubSubClient, which publishes with QoS 0 only, and has one buffer for what comes and what goes.
class PubSubBroker final : public Broker {
 public:
  explicit PubSubBroker(PubSubClient &mqtt) : mqtt_(mqtt) {}

  /// Know the board's topics, and how large the buffer must be.
  void open(const Settings &settings);
  void credentials(const char *user, const char *password);
  size_t buffer_needed() const { return buffer_needed_; }
  const char *will_topic() const { return availability_; }
  /// Have the buffer that is needed; false where there is no memory for it.
  bool make_room();
  bool has_room() { return mqtt_.getBufferSize() >= buffer_needed_; }
  /// Connect where that is due, with the board's last will.
  void connect(uint32_t now);
  bool is_connected() { return mqtt_.connected(); }
  bool is_mine(Text topic) const;
  PubSubClient &client() { return mqtt_; }

  void publish(const char *topic, Bytes payload, uint8_t qos, bool retain) override;
  void subscribe(const char *topic, uint8_t qos) override;
  void unsubscribe(const char *topic) override;

 private:
  PubSubClient &mqtt_;
  const char *user_ = nullptr;
  const char *password_ = nullptr;
  char id_[kMaxText + 1] = {};
  char own_[kMaxTopic - sizeof("availability")] = {};
  char shared_[kMaxTopic] = {};
  char availability_[kMaxTopic] = {};
  size_t buffer_needed_ = 0;
  uint32_t tried_at_ = 0;
  bool tried_ = false;
};

}  // namespace mqtt_ota
