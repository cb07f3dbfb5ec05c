#pragma once

#include <memory>

#include "MqttOta.h"
#include "board.h"
#include "http_fetcher.h"
#include "identity.h"
#include "keys.h"
#include "nvs_store.h"
#include "ota_slot.h"
#include "pubsub_broker.h"
#include "tick_clock.h"

namespace mqtt_ota {

/// The board of a sketch, with everything that it stands on.
class Sketch final : public Listener {
 public:
  explicit Sketch(PubSubClient &mqtt) : broker(mqtt) {}

  MqttOta::Problem begin();
  void loop();
  void sleep();
  bool is_busy() const { return board_ && (board_->is_transferring() || board_->is_pending()); }

  void on_status(const Status &status, uint16_t) override;

  Settings settings;
  const char *keys[Keys::kMost] = {};
  size_t key_count = 0;
  const char *certificate = nullptr;
  MqttOta::Message on_message;
  std::function<void()> on_connect;
  MqttOta::Status on_status_call;
  std::function<MqttOta::Test()> self_test;
  PubSubBroker broker;

 private:
  MqttOta::Problem open_();
  void describe_();
  void hear_(char *topic, uint8_t *payload, unsigned int length);
  void keep_connected_();
  void greet_();
  void greet_again_();
  void leave_();
  static SelfTest test_(void *sketch);

  static constexpr uint16_t kChunks = 8;

  Identity identity_ = {};
  OtaSlot slot_;
  NvsStore store_;
  PsaCrypto crypto_;
  Keys keys_;
  TickClock clock_;
  HttpFetcher fetcher_{clock_};
  std::unique_ptr<uint8_t[]> block_;
  uint8_t held_[kChunks * Held::kChunkBytes];
  std::unique_ptr<Board> board_;
  uint32_t heard_at_ = 0;
  bool online_ = false;
  bool sketch_connects_ = false;
};

}  // namespace mqtt_ota
