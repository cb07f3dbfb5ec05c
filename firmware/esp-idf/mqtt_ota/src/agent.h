#pragma once

#include <atomic>

#include "esp_mqtt_broker.h"
#include "http_fetcher.h"
#include "identity.h"
#include "keys.h"
#include "mqtt_ota.h"
#include "nvs_store.h"
#include "options.h"
#include "ota_slot.h"
#include "tick_clock.h"

namespace mqtt_ota {

/// A board with everything that it stands on, and the task that it lives in.
class Agent final : public Listener {
 public:
  esp_err_t prepare(const mqtt_ota_config_t &config);
  /// Where the last will goes.
  const char *availability_topic() const { return availability_; }
  /// Once.
  esp_err_t start(esp_mqtt_client_handle_t client);
  /// What there is to do, or to wait for.
  void step();
  bool is_busy() const { return busy_; }
  bool say_asleep(uint32_t milliseconds);

  void on_status(const Status &status, uint16_t) override;

 private:
  esp_err_t trust_(const mqtt_ota_config_t &config);
  void describe_(const mqtt_ota_config_t &config);
  bool hear_(uint32_t milliseconds);
  void leave_();
  static SelfTest test_(void *agent);

  static constexpr uint16_t kBlockSize = CONFIG_MQTT_OTA_BLOCK_SIZE;
  static constexpr uint16_t kChunks = 8;

  mqtt_ota_config_t config_ = {};
  Identity identity_ = {};
  Settings settings_;
  OtaSlot slot_;
  NvsStore store_;
  PsaCrypto crypto_;
  Keys keys_;
  TickClock clock_;
  EspMqttBroker broker_;
  HttpFetcher fetcher_{clock_};
  uint8_t block_[kBlockSize > kMaxOffer ? kBlockSize : kMaxOffer];
  uint8_t held_[kChunks * Held::kChunkBytes];
  Board board_{settings_,
               {slot_, slot_, crypto_, clock_, store_, broker_, *this, &fetcher_},
               {block_, sizeof(block_), held_, kChunks}};
  char availability_[kMaxTopic] = {};
  // Across tasks.
  std::atomic<bool> busy_{false};
  std::atomic<bool> asleep_{false};
};

}  // namespace mqtt_ota
