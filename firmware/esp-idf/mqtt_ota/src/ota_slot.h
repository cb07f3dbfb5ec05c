#pragma once

#include <esp_ota_ops.h>
#include <esp_partition.h>

#include "ports.h"

namespace mqtt_ota {

/// The app partitions of an ESP32 and its boot loader.
class OtaSlot final : public Slot, public Boot {
 public:
  using Test = SelfTest (*)(void *context);

  /// Find the partitions; false where the partition table has no second slot.
  bool open();
  /// Let a new image be judged by more than that it reached the broker.
  void judge_by(Test test, void *context);
  /// Keep a running image that came another way (a cable, another updater) and that nobody else would confirm.
  void adopt() { confirm(); }
  /// Whether the board has asked for its end.
  bool is_leaving() const { return leaving_ != Leaving::not_yet; }
  /// End this life as the board asked; does not return on a real one.
  void leave();

  uint32_t capacity() const override { return partition_->size; }
  bool begin(uint32_t size) override;
  bool resume(uint32_t size, uint32_t held) override;
  bool write(uint32_t offset, Bytes bytes) override;
  bool read(uint32_t offset, uint8_t *into, size_t size) override;
  bool activate() override;

  uint8_t running() const override { return static_cast<uint8_t>(running_->subtype); }
  SelfTest self_test() override;
  bool confirm() override;
  void roll_back() override { leaving_ = Leaving::to_old_image; }
  void restart() override { leaving_ = Leaving::to_next_image; }

 private:
  enum class Leaving : uint8_t { not_yet, to_next_image, to_old_image };

  bool put_(uint32_t offset, const uint8_t *bytes, size_t size);
  void release_();

  const esp_partition_t *running_ = nullptr;
  const esp_partition_t *partition_ = nullptr;
  esp_ota_handle_t handle_ = 0;
  Test test_ = nullptr;
  void *context_ = nullptr;
  Leaving leaving_ = Leaving::not_yet;
};

}  // namespace mqtt_ota
