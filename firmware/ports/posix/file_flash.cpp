#include "file_flash.h"

#include <algorithm>
#include <fstream>

#include "ending.h"
#include "files.h"

using mqtt_ota::Bytes;
using mqtt_ota::SelfTest;

namespace {

constexpr size_t kVersionAt = 0x30;
constexpr size_t kVersionSize = 32;
constexpr uint32_t kSector = 4096;

}  // namespace

FileFlash::FileFlash(const Options &options, Faults *faults, std::function<void()> cut, std::function<uint32_t()> held)
    : options_(options), faults_(faults), cut_(std::move(cut)), held_(std::move(held)) {}

void FileFlash::boot() {
  const std::string kept = read_file(std::filesystem::path(options_.state) / "boot");
  if (kept.size() == 2) {
    active_ = kept[0] == '1' ? 1 : 0;
    trial_ = static_cast<Trial>(kept[1]);
  }
  const bool broken = faults_->comes_back_old || faults_->comes_back_old_silent;
  if (trial_ != Trial::none) save_(active_, trial_ == Trial::chosen && !broken ? Trial::booted : Trial::none);
  running_ = trial_ == Trial::booted ? static_cast<uint8_t>(1 - active_) : active_;
}

std::string FileFlash::version() const {
  const std::string image = read_file(slot_(running_));
  if (image.size() < kVersionAt + kVersionSize) return options_.version;
  const std::string version = image.substr(kVersionAt, kVersionSize);
  return version.substr(0, version.find('\0'));
}

bool FileFlash::begin(uint32_t) {
  std::ofstream file(slot_(1 - running_), std::ios::binary | std::ios::trunc);
  return file.good();
}

bool FileFlash::resume(uint32_t, uint32_t) {
  return std::filesystem::exists(slot_(1 - running_));
}

bool FileFlash::write(uint32_t offset, Bytes bytes) {
  if (offset < faults_->write_error && faults_->write_error <= offset + bytes.size) return false;
  const uint32_t held = held_();
  if (faults_->cuts_power(held, held + static_cast<uint32_t>(bytes.size))) {
    put_(offset, bytes.first(bytes.size / 2));
    cut_();
  }
  if (options_.rate > 0) rest(static_cast<double>(bytes.size) / options_.rate / 1000);
  return put_(offset, bytes);
}

bool FileFlash::read(uint32_t offset, uint8_t *into, size_t size) {
  std::ifstream file(slot_(1 - running_), std::ios::binary);
  file.seekg(offset);
  file.read(reinterpret_cast<char *>(into), static_cast<std::streamsize>(size));
  if (faults_->wrong_digest && offset == 0) into[0] ^= 0xFF;
  const uint32_t bad = faults_->bad_block / kSector * kSector;
  if (faults_->bad_block > 0 && bad >= offset && bad < offset + size) into[bad - offset] ^= 0x01;
  return file.good();
}

bool FileFlash::activate() {
  return save_(active_, Trial::chosen);
}

SelfTest FileFlash::self_test() {
  if (faults_->fails_self_test) return SelfTest::failed;
  return faults_->never_confirms ? SelfTest::running : SelfTest::passed;
}

bool FileFlash::confirm() {
  return save_(running_, Trial::none);
}

void FileFlash::roll_back() {
  save_(active_, Trial::none);
  restart_cause_ = "self_test";
}

std::filesystem::path FileFlash::slot_(int number) const {
  return std::filesystem::path(options_.state) / ("slot" + std::to_string(number) + ".bin");
}

bool FileFlash::save_(uint8_t active, Trial trial) {
  const uint8_t kept[] = {static_cast<uint8_t>('0' + active), static_cast<uint8_t>(trial)};
  if (!replace_file(std::filesystem::path(options_.state) / "boot", {kept, sizeof(kept)})) return false;
  active_ = active;
  trial_ = trial;
  return true;
}

bool FileFlash::put_(uint32_t offset, Bytes bytes) {
  std::fstream file(slot_(1 - running_), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(offset);
  file.write(reinterpret_cast<const char *>(bytes.data), static_cast<std::streamsize>(bytes.size));
  return file.flush().good();
}
