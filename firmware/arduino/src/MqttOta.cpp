#include "MqttOta.h"

#include "mqtt_ota/sketch.h"

// Arduino's ESP32 core confirms a new image before `setup`, unless this says that somebody else will. In a file that is
// always linked, and with C's name: the core's own is weak.
extern "C" bool verifyRollbackLater() {
  return true;
}

namespace {

mqtt_ota::Text text_of(const char *text) {
  return text != nullptr ? mqtt_ota::Text{text} : mqtt_ota::Text{};
}

}  // namespace

MqttOta::MqttOta(PubSubClient &mqtt) : sketch_(new mqtt_ota::Sketch(mqtt)) {}

MqttOta::~MqttOta() {
  delete sketch_;
}

MqttOta &MqttOta::id(const char *id) {
  sketch_->settings.id = text_of(id);
  return *this;
}

MqttOta &MqttOta::name(const char *name) {
  sketch_->settings.name = text_of(name);
  return *this;
}

MqttOta &MqttOta::model(const char *model) {
  sketch_->settings.model = text_of(model);
  return *this;
}

MqttOta &MqttOta::version(const char *version) {
  sketch_->settings.version = text_of(version);
  return *this;
}

MqttOta &MqttOta::feed(const char *url) {
  sketch_->settings.feed = text_of(url);
  return *this;
}

MqttOta &MqttOta::root(const char *root) {
  sketch_->settings.root = text_of(root);
  return *this;
}

MqttOta &MqttOta::credentials(const char *user, const char *password) {
  sketch_->broker.credentials(user, password);
  return *this;
}

MqttOta &MqttOta::key(const char *base64) {
  // One too many is counted all the same: `begin` refuses it.
  if (sketch_->key_count < mqtt_ota::Keys::kMost) sketch_->keys[sketch_->key_count] = base64 != nullptr ? base64 : "";
  sketch_->key_count++;
  return *this;
}

MqttOta &MqttOta::counter(uint32_t counter) {
  sketch_->settings.counter = counter;
  return *this;
}

MqttOta &MqttOta::certificate(const char *pem) {
  sketch_->certificate = pem;
  return *this;
}

MqttOta &MqttOta::blockSize(uint16_t bytes) {
  sketch_->settings.block_size = bytes;
  return *this;
}

MqttOta &MqttOta::wakeInterval(uint32_t seconds) {
  sketch_->settings.wake_interval = seconds;
  return *this;
}

MqttOta &MqttOta::onMessage(Message call) {
  sketch_->on_message = std::move(call);
  return *this;
}

MqttOta &MqttOta::onConnect(std::function<void()> call) {
  sketch_->on_connect = std::move(call);
  return *this;
}

MqttOta &MqttOta::onStatus(Status call) {
  sketch_->on_status_call = std::move(call);
  return *this;
}

MqttOta &MqttOta::selfTest(std::function<Test()> call) {
  sketch_->self_test = std::move(call);
  return *this;
}

MqttOta::Problem MqttOta::begin() {
  problem_ = sketch_->begin();
  if (problem_ != Problem::none) log_e("MQTT OTA: %s", describe(problem_));
  return problem_;
}

void MqttOta::loop() {
  if (problem_ != Problem::none && problem_ != Problem::buffer) return;
  sketch_->loop();
  const Problem now = sketch_->broker.has_room() ? Problem::none : Problem::buffer;
  if (now == problem_) return;
  problem_ = now;
  if (now != Problem::none) log_e("MQTT OTA: %s (%u bytes)", describe(now), static_cast<unsigned>(bufferNeeded()));
}

void MqttOta::sleep() {
  sketch_->sleep();
}

const char *MqttOta::describe(Problem problem) {
  switch (problem) {
    case Problem::none:
      return "all is well";
    case Problem::not_begun:
      return "begin was not called";
    case Problem::slot:
      return "the partition scheme has no second slot: choose one with OTA";
    case Problem::store:
      return "NVS cannot be opened";
    case Problem::crypto:
      return "the crypto library does not start";
    case Problem::key:
      return "a key is none: base64 of the 65-byte point of P-256, 4 keys at most";
    case Problem::settings:
      return "a setting breaks a rule: id, version, a text over 64 bytes, block size";
    case Problem::memory:
      return "too little memory for a block";
    case Problem::buffer:
      return "PubSubClient's buffer is too small, and there is no memory for a larger one";
  }
  return "";
}

size_t MqttOta::bufferNeeded() const {
  return sketch_->broker.buffer_needed();
}

const char *MqttOta::willTopic() const {
  return sketch_->broker.will_topic();
}

bool MqttOta::isBusy() const {
  return sketch_->is_busy();
}
