#ifdef USE_HOST
#include "flash_host.h"

#include <cstring>
#include <string>
#include <system_error>

#include "esphome/components/host/core.h"
#include "esphome/components/mqtt_ota_core/crc32.h"
#include "esphome/core/application.h"
#include "esphome/core/hal.h"
#include "esphome/core/log.h"
#include "store_host.h"

namespace esphome::mqtt_board {

namespace fs = std::filesystem;

namespace {

constexpr char kTag[] = "mqtt_ota";
constexpr uint32_t kCapacity = 64 * 1024 * 1024;
// Of an ELF header: magic, class, byte order, version; and at 18 the machine.
constexpr size_t kElfHead = 20;
constexpr size_t kElfIdentity = 7;
constexpr size_t kElfMachine = 18;

fs::path program() {
  return host::get_exe_path();
}
fs::path slot() {
  return state_folder() / "slot";
}
fs::path previous() {
  return state_folder() / "previous";
}
fs::path boot() {
  return state_folder() / "boot";
}

uint32_t checksum(const fs::path &path) {
  const std::string content = read_file(path);
  core::Crc32 crc;
  crc.add(core::Bytes(core::Text(content)));
  return crc.value();
}

/// Whether a file is a program for the machine that this one runs on.
bool is_akin(const fs::path &path) {
  char ours[kElfHead];
  char theirs[kElfHead];
  std::ifstream our_file(program(), std::ios::binary);
  std::ifstream their_file(path, std::ios::binary);
  if (!our_file.read(ours, kElfHead) || !their_file.read(theirs, kElfHead)) return false;
  return memcmp(ours, theirs, kElfIdentity) == 0 && memcmp(ours + kElfMachine, theirs + kElfMachine, 2) == 0;
}

bool move(const fs::path &from, const fs::path &to) {
  std::error_code failure;
  fs::rename(from, to, failure);
  if (failure) ESP_LOGE(kTag, "%s: %s", from.c_str(), failure.message().c_str());
  return !failure;
}

}  // namespace

bool Flash::setup() {
  const std::string kept = read_file(boot());
  if (kept.size() != 2 + sizeof(uint32_t)) return true;
  const auto *bytes = reinterpret_cast<const uint8_t *>(kept.data());
  this->active_ = bytes[0];
  this->running_ = this->active_;
  const auto trial = static_cast<Trial>(bytes[1]);
  const uint32_t crc = core::get_u32(bytes + 2);
  if (trial == Trial::none) return true;
  if (checksum(program()) != crc) return this->save_(this->active_, Trial::none, 0);
  if (trial == Trial::started) {
    ESP_LOGW(kTag, "The new program ended before it had proved itself: going back");
    if (!this->go_back_()) return false;
    arch_restart();
  }
  this->running_ = static_cast<uint8_t>(1 - this->active_);
  return this->save_(this->active_, Trial::started, crc);
}

void Flash::restart_now() {
  this->restart_due_ = false;
  App.safe_reboot();
}

uint32_t Flash::capacity() const {
  return kCapacity;
}

bool Flash::begin(uint32_t size) {
  this->size_ = size;
  this->slot_.close();
  std::ofstream file(slot(), std::ios::binary | std::ios::trunc);
  file.close();
  return this->open_();
}

bool Flash::resume(uint32_t size, uint32_t held) {
  this->size_ = size;
  std::error_code failure;
  return fs::file_size(slot(), failure) >= held && !failure && this->open_();
}

bool Flash::write(uint32_t offset, core::Bytes bytes) {
  this->slot_.clear();
  this->slot_.seekp(offset);
  this->slot_.write(reinterpret_cast<const char *>(bytes.data), static_cast<std::streamsize>(bytes.size));
  return this->slot_.flush().good();
}

bool Flash::read(uint32_t offset, uint8_t *into, size_t size) {
  this->slot_.clear();
  this->slot_.seekg(offset);
  this->slot_.read(reinterpret_cast<char *>(into), static_cast<std::streamsize>(size));
  return this->slot_.good();
}

bool Flash::activate() {
  this->slot_.close();
  std::error_code failure;
  if (!is_akin(slot())) {
    ESP_LOGE(kTag, "This is no program for this machine");
    return false;
  }
  fs::permissions(slot(), fs::status(program(), failure).permissions(), failure);
  fs::remove(previous(), failure);
  fs::create_hard_link(program(), previous(), failure);
  if (failure || !this->save_(this->active_, Trial::chosen, checksum(slot())) || !move(slot(), program())) return false;
  host::arm_reexec(program());
  return true;
}

bool Flash::confirm() {
  return this->save_(this->running_, Trial::none, 0);
}

void Flash::roll_back() {
  if (this->go_back_()) this->restart_due_ = true;
}

bool Flash::open_() {
  this->slot_.open(slot(), std::ios::binary | std::ios::in | std::ios::out);
  return this->slot_.good();
}

bool Flash::go_back_() {
  if (!move(previous(), program()) || !this->save_(this->active_, Trial::none, 0)) return false;
  host::arm_reexec(program());
  return true;
}

bool Flash::save_(uint8_t active, Trial trial, uint32_t crc) {
  uint8_t kept[2 + sizeof(uint32_t)] = {active, static_cast<uint8_t>(trial)};
  core::put_u32(kept + 2, crc);
  if (!replace_file(boot(), {kept, sizeof(kept)})) return false;
  this->active_ = active;
  return true;
}

}  // namespace esphome::mqtt_board
#endif
