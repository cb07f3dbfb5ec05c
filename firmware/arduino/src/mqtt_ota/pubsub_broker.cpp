#include "pubsub_broker.h"

#include "frame.h"
#include "join.h"

namespace mqtt_ota {

namespace {

constexpr uint32_t kTryEvery = 5000;
/// Erasing a slot takes seconds in which nothing is heard; PubSubClient's own 15 are too few for large ones.
constexpr uint16_t kKeepAlive = 60;
/// MQTT's part of a message beside topic and payload: type and length, the topic's length, an id, and a NUL that
/// PubSubClient wants behind the topic.
constexpr size_t kEnvelope = 5 + 2 + 2 + 1;
constexpr char kImage[] = "0123456789abcdef";

size_t larger(size_t one, size_t other) {
  return one > other ? one : other;
}

}  // namespace

void PubSubBroker::open(const Settings &settings) {
  join(id_, {settings.id});
  join(own_, {settings.root, "/board/", settings.id, "/"});
  join(shared_, {settings.root, "/image/"});
  join(availability_, {own_, "availability"});
  const size_t topic = larger(strlen(own_) + strlen("block"), strlen(shared_) + strlen(kImage));
  buffer_needed_ = kEnvelope + topic + larger(kFrameHeader + settings.block_size, kMaxOffer);
  mqtt_.setKeepAlive(kKeepAlive);
}

void PubSubBroker::credentials(const char *user, const char *password) {
  user_ = user;
  password_ = password;
}

bool PubSubBroker::make_room() {
  return has_room() || mqtt_.setBufferSize(static_cast<uint16_t>(buffer_needed_));
}

void PubSubBroker::connect(uint32_t now) {
  if (tried_ && now - tried_at_ < kTryEvery) return;
  tried_ = true;
  tried_at_ = now;
  mqtt_.connect(id_, user_, password_, availability_, 1, true, "offline");
}

bool PubSubBroker::is_mine(Text topic) const {
  return begins_with(topic, own_) || begins_with(topic, shared_);
}

void PubSubBroker::publish(const char *topic, Bytes payload, uint8_t, bool retain) {
  const auto size = static_cast<unsigned int>(payload.size);
  if (kEnvelope + strlen(topic) + size <= mqtt_.getBufferSize()) {
    mqtt_.publish(topic, payload.data, size, retain);
  } else if (mqtt_.beginPublish(topic, size, retain)) {
    mqtt_.write(payload.data, payload.size);
    mqtt_.endPublish();
  }
}

void PubSubBroker::subscribe(const char *topic, uint8_t qos) {
  mqtt_.subscribe(topic, qos);
}

void PubSubBroker::unsubscribe(const char *topic) {
  mqtt_.unsubscribe(topic);
}

}  // namespace mqtt_ota
