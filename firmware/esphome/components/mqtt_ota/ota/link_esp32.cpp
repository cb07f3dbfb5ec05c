#ifdef USE_ESP32
#include "link_esp32.h"

#include "esphome/components/mqtt/mqtt_client.h"

namespace esphome::mqtt_board {

void Link::setup(const char *availability, const char *leave) {
  this->availability_ = availability;
  auto *client = mqtt::global_mqtt_client;
  client->set_last_will({.topic = availability, .payload = "offline", .qos = 1, .retain = true});
  // Entities that are discovered take their availability from a birth message on the topic of the will.
  client->set_birth_message({.topic = availability, .payload = "online", .qos = 1, .retain = true});
  client->set_clean_session(true);
  this->set_leave(leave);
}

void Link::set_leave(const char *leave) {
  mqtt::global_mqtt_client->set_shutdown_message(
      {.topic = this->availability_, .payload = leave, .qos = 1, .retain = true});
}

bool Link::is_connected() const {
  return mqtt::global_mqtt_client->is_connected();
}

void Link::publish(const char *topic, core::Bytes payload, uint8_t qos, bool retain) {
  mqtt::global_mqtt_client->publish(topic, reinterpret_cast<const char *>(payload.data), payload.size, qos, retain);
}

void Link::subscribe(const char *topic, uint8_t qos) {
  std::string *place = nullptr;
  for (size_t at = 0; at < this->topics_.size(); at++) {
    if (this->topics_[at] == topic) {
      this->dropped_[at] = false;
      return;
    }
    if (this->topics_[at].empty()) place = &this->topics_[at];
  }
  if (place == nullptr) return;
  *place = topic;
  mqtt::global_mqtt_client->subscribe(
      topic,
      [this](const std::string &from, const std::string &payload) {
        this->hearer_->hear(from, core::Bytes(core::Text(payload)));
      },
      qos);
}

void Link::unsubscribe(const char *topic) {
  for (size_t at = 0; at < this->topics_.size(); at++) {
    if (this->topics_[at] == topic) this->dropped_[at] = true;
  }
}

void Link::drop_() {
  for (size_t at = 0; at < this->topics_.size(); at++) {
    if (!this->dropped_[at]) continue;
    mqtt::global_mqtt_client->unsubscribe(this->topics_[at]);
    this->topics_[at].clear();
    this->dropped_[at] = false;
  }
}

}  // namespace esphome::mqtt_board
#endif
