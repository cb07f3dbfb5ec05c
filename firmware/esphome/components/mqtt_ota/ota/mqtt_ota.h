#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core.h"
#include "crypto.h"
#include "esphome/components/ota/ota_backend.h"
#include "esphome/core/component.h"
#include "esphome/core/hal.h"
#include "esphome/core/helpers.h"
#include "hearer.h"
#include "platform.h"

namespace esphome::mqtt_board {

class Clock final : public core::Clock {
 public:
  uint32_t now() override { return millis(); }
};

/// A board of the native protocol: the portable core, and what ESPHome has for it.
// NOLINTNEXTLINE(misc-multiple-inheritance): a component of ESPHome's, and a listener whose calls are all optional.
class MqttOta final : public ota::OTAComponent, public core::Listener, public Hearer {
 public:
  MqttOta();

  void set_root(const char *root) { this->settings_.root = root; }
  void set_board_id(const char *id) { this->settings_.id = id; }
  void set_model(const char *model) { this->settings_.model = model; }
  void set_chip(const char *chip) { this->settings_.chip = chip; }
  void set_project(const char *project) { this->settings_.project = project; }
  void set_version(const char *version) { this->settings_.version = version; }
  void set_feed(const char *feed) { this->settings_.feed = feed; }
  void add_key(const core::PublicKey &key) { this->keys_.push_back(key); }
  void set_counter(uint32_t counter) { this->settings_.counter = counter; }
  void set_blocks(uint16_t block_size, uint8_t window);
  /// How long a new image may take to prove itself, in milliseconds.
  void set_trial(uint32_t trial) { this->settings_.trial = trial; }
  void set_self_test(std::function<bool()> &&self_test);
  void set_wake_interval(uint32_t seconds) { this->settings_.wake_interval = seconds; }
#ifdef USE_HOST
  void set_broker(const std::string &host, uint16_t port) { this->link_.set_broker(host, port); }
  void set_credentials(const std::string &user, const std::string &password) {
    this->link_.set_credentials(user, password);
  }
#endif

  void setup() override;
  void loop() override;
  void dump_config() override;
  void on_shutdown() override;
  /// Before ESPHome's MQTT client, which is told its last will.
  float get_setup_priority() const override { return setup_priority::BEFORE_CONNECTION; }

  void hear(core::Text topic, core::Bytes payload) override;
  void on_status(const core::Status &status, uint16_t block_size) override;
  void on_announce(bool pending) override;
  void on_dropped(const char *cause) override;

 protected:
  struct Message {
    std::string topic;
    std::string payload;
  };

  /// The board, for whatever ESPHome calls only after a `setup` that went well.
  core::Board &board_() { return *this->made_; }  // NOLINT(bugprone-unchecked-optional-access)
  bool describe_();
  bool begin_();
  void follow_connection_();
  void take_waiting_();
  void restart_when_due_();
  const char *leave_word_() const { return this->settings_.wake_interval > 0 ? "asleep" : "offline"; }
  void tell_(ota::OTAState state, float progress, uint8_t error);

  core::Settings settings_;
  std::vector<core::PublicKey> keys_;
  std::string id_;
  std::string mac_;
  std::vector<uint8_t> block_;
  std::vector<uint8_t> held_;
  Store store_;
  Flash flash_;
  Crypto crypto_;
  Clock clock_;
  Link link_;
  std::optional<core::Board> made_;
  HighFrequencyLoopRequester haste_;
  // Offers and cancels: they make the board subscribe, which must not happen while the client hands out messages.
  std::vector<Message> waiting_;
  uint32_t begun_at_ = 0;
  bool online_ = false;
  bool leaves_ = false;
  bool told_begin_ = false;
};

}  // namespace esphome::mqtt_board
