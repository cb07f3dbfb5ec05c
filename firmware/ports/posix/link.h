#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <random>
#include <string>

#include "options.h"
#include "ports.h"

struct mosquitto;
struct mosquitto_message;

/// What the broker did: took the board, sent it a message, was lost.
struct Arrival {
  enum class Kind : uint8_t { connected, message, lost };
  Kind kind;
  std::string topic;
  std::string payload;
};

/// The connection to the broker: connects, and connects again; what arrives waits until it is taken.
class Link final : public mqtt_ota::Broker {
 public:
  /// `availability` is the topic of the last will.
  Link(const Options &options, const std::string &availability);
  ~Link();
  Link(const Link &) = delete;
  Link &operator=(const Link &) = delete;

  /// The socket to wait for; -1 while there is none.
  int socket() const;
  bool wants_to_write() const;
  /// In how many milliseconds there is something to do at the latest.
  uint32_t idle_time() const;
  /// Do what the socket and the time allow.
  void work();
  /// The next arrival whose time has come.
  std::optional<Arrival> take();
  /// Let the broker take what was said, then say goodbye, so that the last will stays unspoken.
  void close();
  bool is_connected() const { return connected_; }

  void publish(const char *topic, mqtt_ota::Bytes payload, uint8_t qos, bool retain) override;
  void subscribe(const char *topic, uint8_t qos) override;
  void unsubscribe(const char *topic) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Clock::time_point due;
    Arrival arrival;
  };

  static void on_connect_(mosquitto *, void *link, int code);
  static void on_disconnect_(mosquitto *, void *link, int code);
  static void on_message_(mosquitto *, void *link, const mosquitto_message *message);
  static void on_publish_(mosquitto *, void *link, int id);
  void connect_();
  void arrive_(Arrival::Kind kind, std::string topic = {}, std::string payload = {});

  const Options &options_;
  mosquitto *client_;
  std::deque<Waiting> waiting_;
  std::mt19937 chance_{1};
  bool connected_ = false;
  int unacknowledged_ = 0;
  std::chrono::milliseconds retry_;
  Clock::time_point retry_at_;
};
