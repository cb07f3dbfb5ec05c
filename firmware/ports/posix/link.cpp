#include "link.h"

#include <mosquitto.h>
#include <poll.h>

#include <algorithm>

namespace {

using namespace std::chrono_literals;

constexpr int kKeepAlive = 15;
constexpr auto kRetry = 200ms;
constexpr auto kSlowestRetry = 5000ms;
constexpr auto kFarewell = 2s;
constexpr uint32_t kLongestIdle = 250;

uint32_t milliseconds_until(std::chrono::steady_clock::time_point time) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - std::chrono::steady_clock::now()).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(left, 0, kLongestIdle));
}

}  // namespace

Link::Link(const Options &options, const std::string &availability)
    : options_(options), retry_(kRetry), retry_at_(Clock::now()) {
  mosquitto_lib_init();
  client_ = mosquitto_new(options.id.c_str(), true, this);
  mosquitto_int_option(client_, MOSQ_OPT_TCP_NODELAY, 1);
  // What is said while the broker is away is said again by the board, or of no use any more.
  mosquitto_will_set(client_, availability.c_str(), 7, "offline", 1, true);
  if (!options.user.empty()) mosquitto_username_pw_set(client_, options.user.c_str(), options.password.c_str());
  mosquitto_connect_callback_set(client_, on_connect_);
  mosquitto_disconnect_callback_set(client_, on_disconnect_);
  mosquitto_message_callback_set(client_, on_message_);
  mosquitto_publish_callback_set(client_, on_publish_);
}

Link::~Link() {
  mosquitto_destroy(client_);
  mosquitto_lib_cleanup();
}

int Link::socket() const {
  return mosquitto_socket(client_);
}

bool Link::wants_to_write() const {
  return mosquitto_want_write(client_);
}

uint32_t Link::idle_time() const {
  uint32_t idle = kLongestIdle;
  if (!waiting_.empty()) idle = std::min(idle, milliseconds_until(waiting_.front().due));
  if (socket() < 0) idle = std::min(idle, milliseconds_until(retry_at_));
  return idle;
}

void Link::work() {
  if (socket() < 0) {
    if (Clock::now() >= retry_at_) connect_();
    return;
  }
  // Callbacks tell what is lost.
  if (pollfd one{socket(), POLLIN, 0}; ::poll(&one, 1, 0) > 0) mosquitto_loop_read(client_, 1);
  if (socket() >= 0 && wants_to_write()) mosquitto_loop_write(client_, 1);
  if (socket() >= 0) mosquitto_loop_misc(client_);
}

std::optional<Arrival> Link::take() {
  if (waiting_.empty() || waiting_.front().due > Clock::now()) return std::nullopt;
  Arrival arrival = std::move(waiting_.front().arrival);
  waiting_.pop_front();
  return arrival;
}

void Link::close() {
  const auto until = Clock::now() + kFarewell;
  const auto work_once = [&] {
    pollfd one{socket(), static_cast<short>(POLLIN | (wants_to_write() ? POLLOUT : 0)), 0};
    ::poll(&one, 1, 20);
    work();
  };
  while (connected_ && unacknowledged_ > 0 && Clock::now() < until) work_once();
  if (!connected_) return;
  mosquitto_disconnect(client_);
  while (socket() >= 0 && wants_to_write() && Clock::now() < until) work_once();
}

void Link::publish(const char *topic, mqtt_ota::Bytes payload, uint8_t qos, bool retain) {
  if (!connected_) return;
  const bool sent = mosquitto_publish(client_, nullptr, topic, static_cast<int>(payload.size), payload.data, qos,
                                      retain) == MOSQ_ERR_SUCCESS;
  if (sent && qos > 0) unacknowledged_++;
}

void Link::subscribe(const char *topic, uint8_t qos) {
  mosquitto_subscribe(client_, nullptr, topic, qos);
}

void Link::unsubscribe(const char *topic) {
  mosquitto_unsubscribe(client_, nullptr, topic);
}

void Link::on_connect_(mosquitto *, void *link, int code) {
  auto &self = *static_cast<Link *>(link);
  if (code != 0) return;
  self.connected_ = true;
  self.unacknowledged_ = 0;
  self.retry_ = kRetry;
  self.arrive_(Arrival::Kind::connected);
}

void Link::on_disconnect_(mosquitto *, void *link, int) {
  auto &self = *static_cast<Link *>(link);
  self.connected_ = false;
  self.arrive_(Arrival::Kind::lost);
}

void Link::on_message_(mosquitto *, void *link, const mosquitto_message *message) {
  auto &self = *static_cast<Link *>(link);
  std::uniform_real_distribution<double> percent(0, 100);
  const bool is_lost = message->qos == 0 && percent(self.chance_) < self.options_.loss;
  if (is_lost) return;
  self.arrive_(Arrival::Kind::message, message->topic,
               {static_cast<const char *>(message->payload), static_cast<size_t>(message->payloadlen)});
}

void Link::on_publish_(mosquitto *, void *link, int) {
  auto &self = *static_cast<Link *>(link);
  if (self.unacknowledged_ > 0) self.unacknowledged_--;
}

void Link::connect_() {
  retry_at_ = Clock::now() + retry_;
  retry_ = std::min<std::chrono::milliseconds>(2 * retry_, kSlowestRetry);
  mosquitto_connect(client_, options_.host.c_str(), options_.port, kKeepAlive);
}

void Link::arrive_(Arrival::Kind kind, std::string topic, std::string payload) {
  const auto due =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.round_trip));
  waiting_.push_back({due, {kind, std::move(topic), std::move(payload)}});
}
