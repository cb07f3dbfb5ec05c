// Arduino and PubSubClient.
#include <algorithm>

#include "Arduino.h"
#include "PubSubClient.h"
#include "world.h"

void delay(uint32_t milliseconds) {
  world::pass(milliseconds);
}

PubSubClient &PubSubClient::setCallback(Callback callback) {
  callback_ = std::move(callback);
  return *this;
}

PubSubClient &PubSubClient::setKeepAlive(uint16_t) {
  return *this;
}

boolean PubSubClient::setBufferSize(uint16_t size) {
  if (size > buffer_.size() && world::shared->has_no_memory) return false;
  buffer_.assign(size, 0);
  return true;
}

boolean PubSubClient::connect(const char *, const char *, const char *, const char *will_topic, uint8_t will_qos,
                              boolean will_retain, const char *will) {
  connected_ = true;
  world::connected(will_topic, std::string(will) + (will_qos == 1 && will_retain ? "|1r" : ""));
  return true;
}

boolean PubSubClient::publish(const char *topic, const uint8_t *from, unsigned int size, boolean retain) {
  if (!connected_ || 5 + 2 + strlen(topic) + size > buffer_.size()) return false;
  const std::string payload(reinterpret_cast<const char *>(from), size);
  // The packet is put together in the buffer in which a received one may still lie.
  std::fill(buffer_.begin(), buffer_.end(), uint8_t{0xEE});
  world::say(topic, payload, 0, retain);
  return true;
}

boolean PubSubClient::beginPublish(const char *topic, unsigned int size, boolean retain) {
  if (!connected_ || 5 + 2 + strlen(topic) > buffer_.size()) return false;
  streamed_.clear();
  streamed_topic_ = topic;
  streamed_size_ = size;
  streamed_retain_ = retain;
  return true;
}

size_t PubSubClient::write(const uint8_t *from, size_t size) {
  streamed_.insert(streamed_.end(), from, from + size);
  return size;
}

int PubSubClient::endPublish() {
  if (streamed_.size() != streamed_size_) return 0;
  world::say(streamed_topic_, {reinterpret_cast<const char *>(streamed_.data()), streamed_.size()}, 0,
             streamed_retain_);
  return 1;
}

boolean PubSubClient::subscribe(const char *topic, uint8_t) {
  std::fill(buffer_.begin(), buffer_.end(), uint8_t{0xEE});
  world::listen(topic, true);
  return true;
}

boolean PubSubClient::unsubscribe(const char *topic) {
  world::listen(topic, false);
  return true;
}

boolean PubSubClient::loop() {
  if (!connected_) {
    world::pass(10);
    return false;
  }
  const auto message = world::next_message();
  if (!message) {
    world::pass(10);
    return true;
  }
  const size_t topic = message->topic.size();
  const size_t size = message->payload.size();
  // Type, length of the rest in up to 4 bytes, length of the topic, and an id: at most that much.
  constexpr size_t kHead = 1 + 4 + 2 + 2;
  if (kHead + topic + size > buffer_.size() || !callback_) return true;
  std::copy(message->topic.begin(), message->topic.end(), buffer_.begin() + kHead - 1);
  buffer_[kHead - 1 + topic] = 0;
  std::copy(message->payload.begin(), message->payload.end(), buffer_.begin() + static_cast<long>(kHead + topic));
  callback_(reinterpret_cast<char *>(buffer_.data()) + kHead - 1, buffer_.data() + kHead + topic,
            static_cast<unsigned int>(size));
  return true;
}
