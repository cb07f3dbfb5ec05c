#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "options.h"
#include "ports.h"

/// Two slots, a file each, and a boot loader that gives a new image one chance. What is written is there at once.
class FileFlash final : public mqtt_ota::Slot, public mqtt_ota::Boot {
 public:
  /// `cut` ends the program's life, `held` tells how much of an image the free slot holds.
  FileFlash(const Options &options, Faults *faults, std::function<void()> cut, std::function<uint32_t()> held);

  /// Do what the boot loader does when the power comes.
  void boot();
  /// The version in the app descriptor of the running image; the factory's where the slot is empty.
  std::string version() const;
  /// Why a restart is due; empty while none is.
  const std::string &restart_cause() const { return restart_cause_; }

  uint32_t capacity() const override { return options_.slot_size; }
  bool begin(uint32_t size) override;
  bool resume(uint32_t size, uint32_t held) override;
  bool write(uint32_t offset, mqtt_ota::Bytes bytes) override;
  bool read(uint32_t offset, uint8_t *into, size_t size) override;
  bool activate() override;

  uint8_t running() const override { return running_; }
  mqtt_ota::SelfTest self_test() override;
  bool confirm() override;
  void roll_back() override;
  void restart() override { restart_cause_ = "update"; }

 private:
  enum class Trial : char { none = '-', chosen = 'c', booted = 'b' };

  std::filesystem::path slot_(int number) const;
  bool save_(uint8_t active, Trial trial);
  bool put_(uint32_t offset, mqtt_ota::Bytes bytes);

  const Options &options_;
  Faults *faults_;
  std::function<void()> cut_;
  std::function<uint32_t()> held_;
  uint8_t active_ = 0;
  uint8_t running_ = 0;
  Trial trial_ = Trial::none;
  std::string restart_cause_;
};
