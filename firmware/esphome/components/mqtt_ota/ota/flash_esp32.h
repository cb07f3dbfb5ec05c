#pragma once

#ifdef USE_ESP32
#include <esp_partition.h>

#include <functional>

#include "core.h"

namespace esphome::mqtt_board {

/// The two app partitions. Not ESPHome's OTA backend, which takes an image only from its beginning to its end.
class Flash final : public core::Slot, public core::Boot {
 public:
  explicit Flash(core::Store *store) : store_(store) {}
  void set_self_test(std::function<core::SelfTest()> &&self_test) { this->self_test_ = std::move(self_test); }
  bool setup();

  static constexpr bool can_roll_back() {
#ifdef USE_OTA_ROLLBACK
    return true;
#else
    return false;
#endif
  }
  /// Whether a restart is due, until `restart_now`.
  bool is_restart_due() const { return this->due_ != Due::nothing; }
  void restart_now();
  /// The size of the image that was begun last.
  uint32_t image_size() const { return this->size_; }

  uint32_t capacity() const override { return this->next_ == nullptr ? 0 : this->next_->size; }
  bool begin(uint32_t size) override;
  bool resume(uint32_t size, uint32_t held) override;
  bool write(uint32_t offset, core::Bytes bytes) override;
  bool read(uint32_t offset, uint8_t *into, size_t size) override;
  bool activate() override;

  uint8_t running() const override { return static_cast<uint8_t>(this->running_->subtype); }
  core::SelfTest self_test() override { return this->self_test_ ? this->self_test_() : core::SelfTest::passed; }
  bool confirm() override;
  void roll_back() override { this->due_ = Due::way_back; }
  void restart() override { this->due_ = Due::restart; }

 protected:
  enum class Due : uint8_t { nothing, restart, way_back };

  bool erase_until_(uint32_t end);
  bool note_erased_(uint32_t end);

  core::Store *store_;
  std::function<core::SelfTest()> self_test_;
  const esp_partition_t *running_ = nullptr;
  const esp_partition_t *next_ = nullptr;
  uint32_t size_ = 0;
  // How far the slot is erased. It outlives a loss of power, as blocks above it are not written yet.
  uint32_t erased_ = 0;
  Due due_ = Due::nothing;
};

}  // namespace esphome::mqtt_board
#endif
