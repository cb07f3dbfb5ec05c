#ifdef USE_ESP32
#include "flash_esp32.h"

#include <esp_ota_ops.h>

#include <algorithm>

#include "esphome/components/watchdog/watchdog.h"
#include "esphome/core/application.h"
#include "esphome/core/log.h"

namespace esphome::mqtt_board {

namespace {

constexpr char kTag[] = "mqtt_ota";
constexpr char kErased[] = "erased";
// What flash erases fastest, in one go that nothing interrupts.
constexpr uint32_t kEraseStep = 64 * 1024;
constexpr uint32_t kPatience = 15000;

}  // namespace

bool Flash::setup() {
  this->running_ = esp_ota_get_running_partition();
  this->next_ = esp_ota_get_next_update_partition(nullptr);
  return this->running_ != nullptr && this->next_ != nullptr && this->next_ != this->running_;
}

void Flash::restart_now() {
  const bool goes_back = this->due_ == Due::way_back;
  this->due_ = Due::nothing;
  if (goes_back) {
    // Restarts, unless there is nothing to go back to. The safe way would first confirm what runs.
    esp_ota_mark_app_invalid_rollback_and_reboot();
    // A board that stayed would hear nothing any more.
    ESP_LOGE(kTag, "There is no image to go back to");
  }
  App.safe_reboot();
}

bool Flash::begin(uint32_t size) {
  // The slot is the way back no more: what runs must not be on trial, as after an update that came another way.
  if (!this->confirm()) ESP_LOGW(kTag, "The running image could not be confirmed");
  this->size_ = size;
  return this->note_erased_(0);
}

bool Flash::resume(uint32_t size, uint32_t held) {
  uint8_t kept[sizeof(uint32_t)];
  if (this->store_->get(kErased, kept, sizeof(kept)) != sizeof(kept)) return false;
  this->size_ = size;
  this->erased_ = core::get_u32(kept);
  return this->erased_ >= held;
}

bool Flash::write(uint32_t offset, core::Bytes bytes) {
  return this->erase_until_(offset + bytes.size) &&
         esp_partition_write(this->next_, offset, bytes.data, bytes.size) == ESP_OK;
}

bool Flash::read(uint32_t offset, uint8_t *into, size_t size) {
  App.feed_wdt();
  return esp_partition_read(this->next_, offset, into, size) == ESP_OK;
}

bool Flash::activate() {
  // Checks the image first, as the boot loader will.
  watchdog::WatchdogManager watchdog(kPatience);
  const esp_err_t result = esp_ota_set_boot_partition(this->next_);
  if (result != ESP_OK)
    ESP_LOGE(kTag, "The boot loader would not start this image (error 0x%x)", static_cast<unsigned>(result));
  return result == ESP_OK;
}

bool Flash::confirm() {
#ifdef USE_OTA_ROLLBACK
  esp_ota_img_states_t state;
  const bool waits =
      esp_ota_get_state_partition(this->running_, &state) == ESP_OK && state == ESP_OTA_IMG_PENDING_VERIFY;
  // What came by cable cannot be confirmed, and need not be.
  return !waits || esp_ota_mark_app_valid_cancel_rollback() == ESP_OK;
#else
  return true;
#endif
}

bool Flash::erase_until_(uint32_t end) {
  while (this->erased_ < end) {
    const uint32_t next = std::min(this->erased_ + kEraseStep, this->capacity());
    if (next <= this->erased_) return false;
    watchdog::WatchdogManager watchdog(kPatience);
    if (esp_partition_erase_range(this->next_, this->erased_, next - this->erased_) != ESP_OK) return false;
    if (!this->note_erased_(next)) return false;
  }
  return true;
}

bool Flash::note_erased_(uint32_t end) {
  uint8_t kept[sizeof(uint32_t)];
  core::put_u32(kept, end);
  if (!this->store_->put(kErased, {kept, sizeof(kept)})) return false;
  this->erased_ = end;
  return true;
}

}  // namespace esphome::mqtt_board
#endif
