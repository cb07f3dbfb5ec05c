#include "mqtt_ota.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "esphome/core/application.h"
#include "esphome/core/log.h"

namespace esphome::mqtt_board {

namespace {

constexpr char kTag[] = "mqtt_ota";
// For what was published to go out.
constexpr uint32_t kFarewell = 1000;
constexpr uint16_t kMostChunks = 64;
// In one turn of the loop; a cancel and the next offer may come together.
constexpr size_t kMostWaiting = 4;

uint8_t code_of(core::Reason reason) {
  switch (reason) {
    case core::Reason::flash:
      return ota::OTA_RESPONSE_ERROR_WRITING_FLASH;
    case core::Reason::digest:
      return ota::OTA_RESPONSE_ERROR_MD5_MISMATCH;
    case core::Reason::image:
      return ota::OTA_RESPONSE_ERROR_UPDATE_END;
    default:
      return ota::OTA_RESPONSE_ERROR_UNKNOWN;
  }
}

}  // namespace

MqttOta::MqttOta() : flash_(&this->store_), link_(this) {}

void MqttOta::set_blocks(uint16_t block_size, uint8_t window) {
  this->settings_.block_size = block_size;
  this->settings_.window = window;
}

void MqttOta::set_self_test(std::function<bool()> &&self_test) {
  this->flash_.set_self_test([this, test = std::move(self_test)] {
    if (test()) return core::SelfTest::passed;
    return millis() - this->begun_at_ < this->settings_.trial ? core::SelfTest::running : core::SelfTest::failed;
  });
}

void MqttOta::setup() {
  this->begun_at_ = millis();
  if (!this->describe_() || !this->begin_()) {
    this->mark_failed();
    return;
  }
  const std::string availability = std::string(this->settings_.root) + "/board/" + this->id_ + "/availability";
  this->link_.setup(availability.c_str(), this->leave_word_());
}

/// Say who this is, and what it has for an image.
bool MqttOta::describe_() {
  if (!this->store_.setup() || !this->flash_.setup()) {
    ESP_LOGE(kTag, "There is no second slot for an image, or nowhere to remember one");
    return false;
  }
  core::Settings &is = this->settings_;
  uint8_t mac[6];
  get_mac_address_raw(mac);
  char text[sizeof("00:00:00:00:00:00")];
  snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  this->mac_ = text;
  is.mac = this->mac_;
  this->id_ = is.id.empty() ? App.get_name().str() : std::string(is.id);
  is.id = this->id_;
  const StringRef &name = App.get_friendly_name();
  if (name.size() <= core::kMaxText) is.name = {name.c_str(), name.size()};
  is.keys = this->keys_.data();
  is.key_count = this->keys_.size();
  is.rollback = Flash::can_roll_back();
  return true;
}

bool MqttOta::begin_() {
  const core::Settings &is = this->settings_;
  this->block_.resize(std::max<size_t>(is.block_size, core::kMaxAnnounce));
  const uint32_t chunks = core::Held::chunk_count(core::block_count(this->flash_.capacity(), is.block_size));
  const auto kept = static_cast<uint16_t>(std::clamp<uint32_t>(chunks, 1, kMostChunks));
  this->held_.resize(size_t{kept} * core::Held::kChunkBytes);
  const core::Memory memory{
      .block = this->block_.data(), .block_size = this->block_.size(), .held = this->held_.data(), .held_chunks = kept};
  const core::Ports ports{.slot = this->flash_,
                          .boot = this->flash_,
                          .crypto = this->crypto_,
                          .clock = this->clock_,
                          .store = this->store_,
                          .broker = this->link_,
                          .listener = *this};
  const core::Begin begun = this->made_.emplace(is, ports, memory).begin();
  if (begun != core::Begin::good) ESP_LOGE(kTag, "No board can be like this (%u)", static_cast<unsigned>(begun));
  return begun == core::Begin::good;
}

void MqttOta::loop() {
  this->link_.loop(this->board_().is_transferring());
  this->follow_connection_();
  this->take_waiting_();
  this->board_().loop();
  if (this->board_().is_transferring()) {
    this->haste_.start();
  } else {
    this->haste_.stop();
  }
  this->restart_when_due_();
}

void MqttOta::follow_connection_() {
  if (this->link_.is_connected() == this->online_) return;
  this->online_ = !this->online_;
  if (this->online_) {
    this->board_().connected();
  } else {
    this->board_().disconnected();
  }
}

void MqttOta::hear(core::Text topic, core::Bytes payload) {
  if (!topic.ends_with("/offer") && !topic.ends_with("/cancel")) return this->board_().received(topic, payload);
  if (payload.size > core::kMaxOffer) return this->on_dropped("too long");
  if (this->waiting_.size() == kMostWaiting) return this->on_dropped("too many at once");
  this->waiting_.push_back({.topic = std::string(topic), .payload = std::string(payload.text())});
}

void MqttOta::take_waiting_() {
  for (const Message &message : std::exchange(this->waiting_, {}))
    this->board_().received(message.topic, core::Bytes(core::Text(message.payload)));
}

void MqttOta::restart_when_due_() {
  if (this->leaves_ || !this->flash_.is_restart_due()) return;
  this->leaves_ = true;
  // Not asleep, even where the board sleeps else.
  this->link_.set_leave("offline");
  this->set_timeout("restart", kFarewell, [this] {
    this->leaves_ = false;
    this->flash_.restart_now();
  });
}

void MqttOta::on_shutdown() {
  if (this->made_) this->link_.close();
}

void MqttOta::on_announce(bool pending) {
  ESP_LOGI(kTag, "Announced %s as version %s%s", this->id_.c_str(), std::string(this->settings_.version).c_str(),
           pending ? ", on trial" : "");
}

void MqttOta::on_dropped(const char *cause) {
  ESP_LOGD(kTag, "Dropped a message: %s", cause);
}

void MqttOta::on_status(const core::Status &status, uint16_t) {
  const uint32_t size = this->flash_.image_size();
  ESP_LOGI(kTag, "Update: %s, %" PRIu32 " of %" PRIu32 " bytes %s", core::name_of(status.state), status.held, size,
           core::name_of(status.reason));
  const float progress = size == 0 ? 0.0F : 100.0F * static_cast<float>(status.held) / static_cast<float>(size);
  switch (status.state) {
    case core::State::transferring:
    case core::State::verifying:
      if (!this->told_begin_) this->tell_(ota::OTA_STARTED, 0.0F, 0);
      this->told_begin_ = true;
      return this->tell_(ota::OTA_IN_PROGRESS, progress, 0);
    case core::State::rebooting:
      if (this->told_begin_) this->tell_(ota::OTA_COMPLETED, 100.0F, 0);
      break;
    case core::State::failed:
      if (this->told_begin_ && !this->board_().is_transferring())
        this->tell_(ota::OTA_ERROR, progress, code_of(status.reason));
      break;
    case core::State::cancelled:
      if (this->told_begin_) this->tell_(ota::OTA_ABORT, progress, 0);
      break;
    default:
      return;
  }
  if (!this->board_().is_transferring()) this->told_begin_ = false;
}

/// Run the user's automations, later: they may do what must not be done while messages are handed out.
void MqttOta::tell_(ota::OTAState state, float progress, uint8_t error) {
#ifdef USE_OTA_STATE_LISTENER
  this->notify_state_deferred_(state, progress, error);
#endif
}

void MqttOta::dump_config() {
  ESP_LOGCONFIG(kTag,
                "Over-The-Air updates over MQTT:\n"
                "  Board: %s/board/%s\n"
                "  Version: %s\n"
                "  Slot: %" PRIu32
                " bytes\n"
                "  Blocks: %u of %u bytes\n"
                "  Keys: %zu\n"
                "  Rollback: %s",
                std::string(this->settings_.root).c_str(), this->id_.c_str(),
                std::string(this->settings_.version).c_str(), this->flash_.capacity(), this->settings_.window,
                this->settings_.block_size, this->keys_.size(), YESNO(Flash::can_roll_back()));
  if (this->keys_.empty()) ESP_LOGCONFIG(kTag, "  Takes images that nobody has signed");
}

}  // namespace esphome::mqtt_board
