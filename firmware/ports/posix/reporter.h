#pragma once

#include <functional>
#include <string>

#include "ports.h"

/// Prints what happens, one JSON object a line.
class Reporter final : public mqtt_ota::Listener {
 public:
  explicit Reporter(std::string version) : version_(std::move(version)) {}

  void on_status(const mqtt_ota::Status &status, uint16_t block_size) override;
  void on_announce(bool pending) override { tell_running_("announced", pending); }
  void on_offer(const mqtt_ota::Session &session, mqtt_ota::Transport transport) override;
  void on_dropped(const char *cause) override;

  void started(bool pending) { tell_running_("started", pending); }
  void happened(const char *event);
  /// Gone for some seconds; negative: for ever.
  void restarts(const std::string &cause, double seconds);

 private:
  void tell_running_(const char *event, bool pending);

  std::string version_;
};
