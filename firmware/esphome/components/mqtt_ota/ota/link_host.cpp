#ifdef USE_HOST
#include "link_host.h"

#include <mosquitto.h>

#include <cstdlib>

#include "esphome/core/hal.h"
#include "esphome/core/log.h"

namespace esphome::mqtt_board {

namespace {

constexpr char kTag[] = "mqtt_ota";
constexpr int kKeepAlive = 15;
constexpr uint32_t kRetry = 1000;
constexpr uint32_t kFarewell = 2000;
constexpr int kMoment = 10;

}  // namespace

void Link::set_broker(const std::string &host, uint16_t port) {
  this->host_ = host;
  this->port_ = port;
}

void Link::set_credentials(const std::string &user, const std::string &password) {
  this->user_ = user;
  this->password_ = password;
}

void Link::setup(const char *availability, const char *leave) {
  this->availability_ = availability;
  this->leave_ = leave;
  if (const char *given = getenv("MQTT_OTA_BROKER")) {
    const std::string broker = given;
    const size_t colon = broker.rfind(':');
    this->host_ = broker.substr(0, colon);
    if (colon != std::string::npos)
      this->port_ = static_cast<uint16_t>(strtoul(broker.c_str() + colon + 1, nullptr, 10));
  }
  mosquitto_lib_init();
  this->client_ = mosquitto_new(nullptr, true, this);
  mosquitto_int_option(this->client_, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_will_set(this->client_, availability, 7, "offline", 1, true);
  if (!this->user_.empty()) mosquitto_username_pw_set(this->client_, this->user_.c_str(), this->password_.c_str());
  mosquitto_connect_callback_set(this->client_, on_connect_);
  mosquitto_disconnect_callback_set(this->client_, on_disconnect_);
  mosquitto_message_callback_set(this->client_, on_message_);
  mosquitto_publish_callback_set(this->client_, on_publish_);
  this->retry_at_ = millis();
}

void Link::loop(bool waits) {
  if (mosquitto_socket(this->client_) >= 0) {
    mosquitto_loop(this->client_, waits ? kMoment : 0, 1);
    return;
  }
  if (static_cast<int32_t>(millis() - this->retry_at_) < 0) return;
  this->retry_at_ = millis() + kRetry;
  const int result = mosquitto_connect(this->client_, this->host_.c_str(), this->port_, kKeepAlive);
  if (result != MOSQ_ERR_SUCCESS)
    ESP_LOGW(kTag, "%s:%u: %s", this->host_.c_str(), this->port_, mosquitto_strerror(result));
}

void Link::close() {
  if (this->connected_) {
    this->publish(this->availability_.c_str(), core::Bytes(core::Text(this->leave_)), 1, true);
    const uint32_t until = millis() + kFarewell;
    while (this->connected_ && this->unacknowledged_ > 0 && static_cast<int32_t>(millis() - until) < 0)
      mosquitto_loop(this->client_, kMoment, 1);
    mosquitto_disconnect(this->client_);
  }
  mosquitto_destroy(this->client_);
  this->client_ = mosquitto_new(nullptr, true, this);
}

void Link::publish(const char *topic, core::Bytes payload, uint8_t qos, bool retain) {
  // What is said while the broker is away is said again by the board, or of no use any more.
  if (!this->connected_) return;
  const int result =
      mosquitto_publish(this->client_, nullptr, topic, static_cast<int>(payload.size), payload.data, qos, retain);
  if (result == MOSQ_ERR_SUCCESS && qos > 0) this->unacknowledged_++;
}

void Link::subscribe(const char *topic, uint8_t qos) {
  mosquitto_subscribe(this->client_, nullptr, topic, qos);
}

void Link::unsubscribe(const char *topic) {
  mosquitto_unsubscribe(this->client_, nullptr, topic);
}

void Link::on_connect_(mosquitto *, void *link, int code) {
  auto &self = *static_cast<Link *>(link);
  self.connected_ = code == 0;
  self.unacknowledged_ = 0;
  if (code != 0) ESP_LOGW(kTag, "The broker refused: %s", mosquitto_connack_string(code));
}

void Link::on_disconnect_(mosquitto *, void *link, int) {
  static_cast<Link *>(link)->connected_ = false;
}

void Link::on_message_(mosquitto *, void *link, const mosquitto_message *message) {
  static_cast<Link *>(link)->hearer_->hear(
      message->topic, {static_cast<const uint8_t *>(message->payload), static_cast<size_t>(message->payloadlen)});
}

void Link::on_publish_(mosquitto *, void *link, int) {
  auto &self = *static_cast<Link *>(link);
  if (self.unacknowledged_ > 0) self.unacknowledged_--;
}

}  // namespace esphome::mqtt_board
#endif
