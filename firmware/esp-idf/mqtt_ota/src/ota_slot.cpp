#include "ota_slot.h"

#include <esp_system.h>

#include "options.h"

namespace mqtt_ota {

namespace {

/// What encrypted flash is written in.
constexpr size_t kCipherBlock = 16;

}  // namespace

bool OtaSlot::open() {
  running_ = esp_ota_get_running_partition();
  partition_ = esp_ota_get_next_update_partition(nullptr);
  return running_ != nullptr && partition_ != nullptr && partition_ != running_;
}

void OtaSlot::judge_by(Test test, void *context) {
  test_ = test;
  context_ = context;
}

void OtaSlot::leave() {
  // It comes back where no other image is left to start; the boot loader then has the last word.
  if (leaving_ == Leaving::to_old_image) esp_ota_mark_app_invalid_rollback_and_reboot();
  esp_restart();
}

bool OtaSlot::begin(uint32_t size) {
  release_();
  // Erases all that the image will need, so that blocks can then be written in any order.
  if (esp_ota_begin(partition_, size, &handle_) == ESP_OK) return true;
  release_();
  return false;
}

bool OtaSlot::resume(uint32_t size, uint32_t) {
  // A handle does not outlive a restart: what goes on without one is written to the partition itself.
  release_();
  return size <= partition_->size;
}

bool OtaSlot::write(uint32_t offset, Bytes bytes) {
  const size_t tail = partition_->encrypted ? bytes.size % kCipherBlock : 0;
  const size_t body = bytes.size - tail;
  if (body > 0 && !put_(offset, bytes.data, body)) return false;
  if (tail == 0) return true;
  uint8_t last[kCipherBlock];
  memset(last, 0xFF, sizeof(last));
  memcpy(last, bytes.data + body, tail);
  return put_(offset + static_cast<uint32_t>(body), last, sizeof(last));
}

bool OtaSlot::read(uint32_t offset, uint8_t *into, size_t size) {
  return esp_partition_read(partition_, offset, into, size) == ESP_OK;
}

bool OtaSlot::activate() {
  // This verifies the whole image, and its signature with Secure Boot; esp_ota_end would only do it twice.
  release_();
  return esp_ota_set_boot_partition(partition_) == ESP_OK;
}

SelfTest OtaSlot::self_test() {
  return test_ != nullptr && kRollback ? test_(context_) : SelfTest::passed;
}

bool OtaSlot::confirm() {
  esp_ota_img_states_t state;
  const bool waits = esp_ota_get_state_partition(running_, &state) == ESP_OK && state == ESP_OTA_IMG_PENDING_VERIFY;
  // What came by cable cannot be confirmed, and need not be.
  if (!waits) return true;
  // With anti-rollback this burns the image's secure version, too.
  return esp_ota_mark_app_valid_cancel_rollback() == ESP_OK;
}

bool OtaSlot::put_(uint32_t offset, const uint8_t *bytes, size_t size) {
  const esp_err_t error = handle_ != 0 ? esp_ota_write_with_offset(handle_, bytes, size, offset)
                                       : esp_partition_write(partition_, offset, bytes, size);
  return error == ESP_OK;
}

void OtaSlot::release_() {
  if (handle_ != 0) esp_ota_abort(handle_);
  handle_ = 0;
}

}  // namespace mqtt_ota
