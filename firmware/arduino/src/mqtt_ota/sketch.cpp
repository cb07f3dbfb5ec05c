#include "sketch.h"

#include <new>

#include "options.h"

namespace mqtt_ota {

namespace {

/// So long nothing is heard before a connection that the sketch makes is taken for another one than before.
constexpr uint32_t kDeafness = 60000;
/// The last words travel without acknowledgement; this is for the network to take them.
constexpr uint32_t kLastWords = 250;

}  // namespace

MqttOta::Problem Sketch::begin() {
  const MqttOta::Problem problem = open_();
  if (problem != MqttOta::Problem::none) return problem;
  const Ports ports{slot_, slot_, crypto_, clock_, store_, broker, *this, &fetcher_};
  const size_t size = settings.block_size > kMaxOffer ? settings.block_size : kMaxOffer;
  block_.reset(new (std::nothrow) uint8_t[size]);
  if (!block_) return MqttOta::Problem::memory;
  board_.reset(new (std::nothrow) Board(settings, ports, {block_.get(), size, held_, kChunks}));
  if (!board_) return MqttOta::Problem::memory;
  switch (board_->begin()) {
    case Begin::good:
      break;
    case Begin::bad_settings:
      return MqttOta::Problem::settings;
    case Begin::too_little_memory:
      return MqttOta::Problem::memory;
    case Begin::broken_crypto:
      return MqttOta::Problem::crypto;
  }
  broker.open(settings);
  broker.client().setCallback(
      [this](char *topic, uint8_t *payload, unsigned int length) { hear_(topic, payload, length); });
  return broker.make_room() ? MqttOta::Problem::none : MqttOta::Problem::buffer;
}

MqttOta::Problem Sketch::open_() {
  if (!slot_.open()) return MqttOta::Problem::slot;
  if (!store_.open()) return MqttOta::Problem::store;
  if (!crypto_.open()) return MqttOta::Problem::crypto;
  for (size_t place = 0; place < key_count; place++) {
    if (place == Keys::kMost || !keys_.add(keys[place], &crypto_)) return MqttOta::Problem::key;
  }
  describe_();
  fetcher_.trust(certificate);
  slot_.judge_by(self_test ? test_ : nullptr, this);
  return MqttOta::Problem::none;
}

void Sketch::describe_() {
  identity_.read();
  if (settings.id.empty()) settings.id = identity_.id;
  settings.chip = identity_.chip;
  settings.mac = identity_.mac;
  settings.window = CONFIG_MQTT_OTA_WINDOW;
  settings.http = true;
  settings.https = kCertificateBundle || certificate != nullptr;
  settings.rollback = kRollback;
  settings.keys = keys_.data();
  settings.key_count = keys_.size();
}

void Sketch::loop() {
  if (!board_) return;
  keep_connected_();
  broker.client().loop();
  fetcher_.step(*board_);
  board_->loop();
  if (slot_.is_leaving()) leave_();
}

/// Follow the connection, which may also be made or lost by the sketch.
void Sketch::keep_connected_() {
  if (online_ && !broker.is_connected()) {
    online_ = false;
    board_->disconnected();
  }
  if (online_) return greet_again_();
  if (!broker.make_room()) return;
  sketch_connects_ = sketch_connects_ || broker.is_connected();
  if (!broker.is_connected()) broker.connect(clock_.now());
  if (!broker.is_connected()) return;
  online_ = true;
  greet_();
  if (!board_->is_pending()) slot_.adopt();
  if (on_connect) on_connect();
}

void Sketch::greet_() {
  heard_at_ = clock_.now();
  board_->connected();
}

/// A sketch that connects by itself may do so between two turns: the board would be deaf, and nobody would know.
void Sketch::greet_again_() {
  if (sketch_connects_ && clock_.now() - heard_at_ >= kDeafness) greet_();
}

void Sketch::hear_(char *topic, uint8_t *payload, unsigned int length) {
  if (broker.is_mine(topic)) {
    heard_at_ = clock_.now();
    // What the board publishes from in here overwrites topic and payload: it has read both by then.
    if (online_) board_->received(topic, {payload, length});
  } else if (on_message) {
    on_message(topic, payload, length);
  }
}

void Sketch::leave_() {
  broker.client().disconnect();
  delay(kLastWords);
  slot_.leave();
}

void Sketch::sleep() {
  if (!board_ || !online_) return;
  board_->leave(Availability::asleep);
  board_->disconnected();
  online_ = false;
  broker.client().disconnect();
  delay(kLastWords);
}

void Sketch::on_status(const Status &status, uint16_t) {
  if (on_status_call) on_status_call(name_of(status.state), name_of(status.reason), status.held);
}

SelfTest Sketch::test_(void *sketch) {
  switch (static_cast<Sketch *>(sketch)->self_test()) {
    case MqttOta::Test::running:
      return SelfTest::running;
    case MqttOta::Test::passed:
      return SelfTest::passed;
    case MqttOta::Test::failed:
      break;
  }
  return SelfTest::failed;
}

}  // namespace mqtt_ota
