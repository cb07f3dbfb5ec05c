#pragma once

#include <freertos/FreeRTOS.h>
#include <freertos/stream_buffer.h>
#include <mqtt_client.h>

#include "board.h"

namespace mqtt_ota {

/// The broker by esp-mqtt. Its task only lays down what it hears; the board's own task takes it up.
///
/// esp-mqtt calls with its lock held, which a publish needs, too: a board that worked in that call while its own task
/// spoke would wait for ever.
class EspMqttBroker final : public Broker {
 public:
  /// Hear what this client hears, with room for `inbox` bytes that the board has not come to yet.
  bool open(esp_mqtt_client_handle_t client, const Settings &settings, size_t inbox);
  /// Wait so many milliseconds at most for something to be heard, and tell the board. Return whether anything was.
  bool hear(Board &board, uint32_t milliseconds);
  bool is_open() const { return inbox_ != nullptr; }
  bool is_online() const { return online_; }
  /// Wait until the broker has acknowledged everything, so many milliseconds at most.
  void flush(uint32_t milliseconds) const;
  /// Take leave, so that the last will is not published.
  void close() const { esp_mqtt_client_disconnect(client_); }

  void publish(const char *topic, Bytes payload, uint8_t qos, bool retain) override;
  void subscribe(const char *topic, uint8_t qos) override;
  void unsubscribe(const char *topic) override;

 private:
  enum class Kind : uint8_t { connected, disconnected, message, piece };
  /// What lies in the inbox before its topic and its bytes.
  struct Note {
    Kind kind;
    uint8_t topic_size;
    uint16_t size;
    uint32_t total;
  };

  static void on_event_(void *self, esp_event_base_t, int32_t id, void *event);
  void note_message_(const esp_mqtt_event_t &event);
  bool note_(const Note &note, const char *topic, const char *bytes);
  bool is_mine_(Text topic) const;
  void take_(void *into, size_t size) const;
  void tell_(Board &board, size_t size) const;

  esp_mqtt_client_handle_t client_ = nullptr;
  StreamBufferHandle_t inbox_ = nullptr;
  char own_[kMaxTopic] = {};
  char shared_[kMaxTopic] = {};
  bool online_ = false;
  // Only the client's task touches this: whether it lays down the pieces of a message.
  bool noting_ = false;
};

}  // namespace mqtt_ota
