#pragma once
#include <functional>
#include <vector>

#include "WiFi.h"

/// Behaves as version 2.8 does: one buffer for both ways, what does not fit is dropped without a word, QoS 0 only.
class PubSubClient {
 public:
  using Callback = std::function<void(char *, uint8_t *, unsigned int)>;

  explicit PubSubClient(Client &) {}
  PubSubClient &setServer(const char *, uint16_t) { return *this; }
  PubSubClient &setCallback(Callback callback);
  PubSubClient &setKeepAlive(uint16_t seconds);
  boolean setBufferSize(uint16_t size);
  uint16_t getBufferSize() { return static_cast<uint16_t>(buffer_.size()); }
  boolean connect(const char *id, const char *user, const char *password, const char *will_topic, uint8_t will_qos,
                  boolean will_retain, const char *will);
  void disconnect() { connected_ = false; }
  boolean connected() { return connected_; }
  boolean publish(const char *topic, const uint8_t *from, unsigned int size, boolean retain);
  boolean beginPublish(const char *topic, unsigned int size, boolean retain);
  size_t write(const uint8_t *from, size_t size);
  int endPublish();
  boolean subscribe(const char *topic, uint8_t qos);
  boolean unsubscribe(const char *topic);
  boolean loop();

 private:
  Callback callback_;
  std::vector<uint8_t> buffer_ = std::vector<uint8_t>(256);
  std::vector<uint8_t> streamed_;
  const char *streamed_topic_ = nullptr;
  unsigned int streamed_size_ = 0;
  bool streamed_retain_ = false;
  bool connected_ = false;
};
