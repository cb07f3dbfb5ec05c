#pragma once

#include "frame.h"
#include "held.h"

namespace mqtt_ota {

/// Which blocks to ask for, and when to ask again. Times are milliseconds, given by the caller.
///
/// The broker keeps the order of what one sender says: a block of a later want tells that what an earlier one asked
/// for and did not bring is lost. What is lost at the very end is asked for again after a silence.
class Pull {
 public:
  /// Blocks in flight at most.
  static constexpr uint16_t kMaxInFlight = 32;

  struct Terms {
    Tag tag = {};
    uint32_t size = 0;
    uint16_t block_size = 0;
    uint16_t window = 1;
    Order order = Order::any;
    uint32_t timeout = 0;
  };

  /// Begin with a probe.
  void begin(const Terms &terms, uint32_t now);
  /// Forget what was asked: the connection that it was asked on is gone.
  void again(uint32_t now);
  /// Whether frames of this size stay away.
  bool is_silent(uint32_t now) const;
  /// Say what to ask for next; false when there is nothing for now.
  bool next(const Held &held, uint32_t now, Want *want);
  /// Take note of a frame; true where it brings a block that can be written now.
  bool heard(uint32_t offset, size_t length, const Held &held, uint32_t now);

  const Terms &terms() const { return terms_; }
  uint32_t wake_at() const { return wake_at_; }

 private:
  bool begin_round_(uint32_t now);
  uint32_t next_unasked_(const Held &held, uint32_t from) const;
  uint16_t place_of_(uint32_t number) const;
  void forget_until_(uint16_t serial, uint32_t number);
  bool is_in_turn_(uint32_t number, const Held &held);

  Terms terms_;
  bool probing_ = false;
  uint8_t tries_ = 0;
  uint16_t serial_ = 0;
  uint16_t asked_count_ = 0;
  uint16_t places_ = 0;
  uint32_t patience_ = 0;
  uint32_t wake_at_ = 0;
  uint32_t went_back_to_ = UINT32_MAX;
  // Block numbers in flight, and with which round each was asked for.
  uint32_t asked_[kMaxInFlight];
  uint16_t asked_with_[kMaxInFlight];
};

/// Whether a time has come, on a clock that wraps.
inline bool is_due(uint32_t at, uint32_t now) {
  return static_cast<int32_t>(now - at) >= 0;
}

}  // namespace mqtt_ota
