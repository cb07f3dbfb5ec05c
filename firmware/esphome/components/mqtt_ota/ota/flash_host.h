#pragma once

#ifdef USE_HOST
#include <filesystem>
#include <fstream>
#include <functional>

#include "core.h"

namespace esphome::mqtt_board {

/// The running program and the one before it, and a boot loader that gives a new one a single chance.
///
/// The boot loader works at each start, so it takes back a program that ends before it has proved itself wherever
/// something starts it again.
class Flash final : public core::Slot, public core::Boot {
 public:
  explicit Flash(core::Store *) {}
  void set_self_test(std::function<core::SelfTest()> &&self_test) { this->self_test_ = std::move(self_test); }
  bool setup();

  static constexpr bool can_roll_back() { return true; }
  bool is_restart_due() const { return this->restart_due_; }
  void restart_now();
  uint32_t image_size() const { return this->size_; }

  uint32_t capacity() const override;
  bool begin(uint32_t size) override;
  bool resume(uint32_t size, uint32_t held) override;
  bool write(uint32_t offset, core::Bytes bytes) override;
  bool read(uint32_t offset, uint8_t *into, size_t size) override;
  bool activate() override;

  uint8_t running() const override { return this->running_; }
  core::SelfTest self_test() override { return this->self_test_ ? this->self_test_() : core::SelfTest::passed; }
  bool confirm() override;
  void roll_back() override;
  void restart() override { this->restart_due_ = true; }

 protected:
  enum class Trial : uint8_t { none, chosen, started };

  bool open_();
  bool go_back_();
  bool save_(uint8_t active, Trial trial, uint32_t crc);

  std::function<core::SelfTest()> self_test_;
  std::fstream slot_;
  uint32_t size_ = 0;
  uint8_t active_ = 0;
  uint8_t running_ = 0;
  bool restart_due_ = false;
};

}  // namespace esphome::mqtt_board
#endif
