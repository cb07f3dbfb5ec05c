// Firmware updates from Home Assistant over MQTT, for a sketch with PubSubClient.
//
//   WiFiClient network;
//   PubSubClient mqtt(network);
//   MqttOta ota(mqtt);
//
//   void setup() {
//     WiFi.begin("name", "password");
//     mqtt.setServer("192.168.1.2", 1883);
//     ota.model("relay").version("1.0.0").begin();
//   }
//   void loop() { ota.loop(); }
//
// PubSubClient drops, without a word, every message that does not fit into its buffer, which is 256 bytes at first.
// This library needs `bufferNeeded()`: a block and about 100 bytes, 4.2 kB with the default block of 4096. `begin`
// makes the buffer that large, each connection checks that it still is, and `problem` says when it could not be had.
#pragma once

#include <Arduino.h>
#include <PubSubClient.h>

#include <functional>

#if !defined(ESP_ARDUINO_VERSION_MAJOR) || ESP_ARDUINO_VERSION_MAJOR < 3
#error "MQTT OTA needs version 3 of the ESP32 core for Arduino, or newer"
#endif

namespace mqtt_ota {
class Sketch;
}

// NOLINTBEGIN(readability-identifier-naming): what a sketch calls has the names that Arduino gives.
class MqttOta {
 public:
  /// What keeps updates from working; `describe` has it in words.
  enum class Problem : uint8_t { none, not_begun, slot, store, crypto, key, settings, memory, buffer };
  enum class Test : uint8_t { running, passed, failed };

  using Message = std::function<void(char *topic, uint8_t *payload, unsigned int length)>;
  /// `state` and `reason` as in PROTOCOL.md; `held` bytes of the image are in the slot.
  using Status = std::function<void(const char *state, const char *reason, uint32_t held)>;

  explicit MqttOta(PubSubClient &mqtt);
  ~MqttOta();
  MqttOta(const MqttOta &) = delete;
  MqttOta &operator=(const MqttOta &) = delete;

  // What the board is, before `begin`. Texts must stay where they are, as literals do.
  /// 1 to 64 of A-Z a-z 0-9 _ . - ; without: chip and MAC address, such as esp32c3-aabbccddeeff.
  MqttOta &id(const char *id);
  MqttOta &name(const char *name);
  /// The kind of device: releases are matched to it.
  MqttOta &model(const char *model);
  /// Of this sketch; needed.
  MqttOta &version(const char *version);
  /// Where releases are published: Home Assistant proposes it to the user.
  MqttOta &feed(const char *url);
  MqttOta &root(const char *root);
  /// User name and password at the broker.
  MqttOta &credentials(const char *user, const char *password);
  /// Take only what was signed with this key, or another one given so: base64 of its 65-byte point.
  MqttOta &key(const char *base64);
  MqttOta &counter(uint32_t counter);
  /// PEM of the authority behind https URLs; without: the bundle of public ones.
  MqttOta &certificate(const char *pem);
  /// The largest block in bytes, 1024 to 16384; the memory for it is taken twice.
  MqttOta &blockSize(uint16_t bytes);
  /// Seconds between two wakings of a board that sleeps.
  MqttOta &wakeInterval(uint32_t seconds);

  /// Messages on your own topics: this library takes PubSubClient's callback. Subscribe in `onConnect`.
  MqttOta &onMessage(Message call);
  MqttOta &onConnect(std::function<void()> call);
  MqttOta &onStatus(Status call);
  /// Judge a new image once it has reached the broker; without, that is enough.
  MqttOta &selfTest(std::function<Test()> call);

  /// Begin, in `setup`; what is not `none` is also written to the log, and `loop` does nothing.
  Problem begin();
  /// Connect, hear, do what is due. A connection that you made is used; then its will must be `willTopic`, "offline",
  /// QoS 1 and retained. That you have made it anew is noticed after a minute.
  void loop();
  /// Say that the board goes to sleep, and disconnect.
  void sleep();

  Problem problem() const { return problem_; }
  static const char *describe(Problem problem);
  /// How large PubSubClient's buffer must be, in bytes; known after `begin`.
  size_t bufferNeeded() const;
  const char *willTopic() const;
  /// Whether an image comes in, or a new one has not confirmed itself: not a moment to sleep or restart.
  bool isBusy() const;

 private:
  mqtt_ota::Sketch *sketch_;
  Problem problem_ = Problem::not_begun;
};
// NOLINTEND(readability-identifier-naming)
