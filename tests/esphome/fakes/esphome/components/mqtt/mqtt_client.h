#pragma once
// In the place of ESPHome's own client: its list of subscriptions, and that it must not change while it is run through.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace esphome::mqtt {

struct MQTTMessage {
  std::string topic;
  std::string payload;
  uint8_t qos;
  bool retain;
};

class MQTTClientComponent {
 public:
  using Callback = std::function<void(const std::string &, const std::string &)>;

  void set_last_will(MQTTMessage &&message) { will = message; }
  void set_birth_message(MQTTMessage &&message) { birth = message; }
  void set_shutdown_message(MQTTMessage &&message) { shutdown = message; }
  void set_clean_session(const bool &is) { clean = is; }
  bool is_connected() { return connected; }

  void subscribe(const std::string &topic, Callback callback, uint8_t qos) {
    change_();
    subscriptions.push_back({topic, std::move(callback), qos});
  }
  void unsubscribe(const std::string &topic) {
    change_();
    std::vector<Subscription> rest;
    for (Subscription &one : subscriptions) {
      if (one.topic != topic) rest.push_back(one);
    }
    subscriptions = rest;
  }
  bool publish(const char *topic, const char *payload, size_t size, uint8_t qos, bool retain) {
    published.push_back({topic, {payload, size}, qos, retain});
    return true;
  }

  void arrive(const std::string &topic, const std::string &payload) {
    handing_out_ = true;
    for (Subscription &one : subscriptions) {
      if (one.topic == topic) one.callback(topic, payload);
    }
    handing_out_ = false;
  }

  struct Subscription {
    std::string topic;
    Callback callback;
    uint8_t qos;
  };
  std::vector<Subscription> subscriptions;
  std::vector<MQTTMessage> published;
  MQTTMessage will, birth, shutdown;
  bool clean = false;
  bool connected = true;

 private:
  void change_() {
    if (handing_out_) abort();
  }
  bool handing_out_ = false;
};

extern MQTTClientComponent *global_mqtt_client;

}  // namespace esphome::mqtt
