// The ESP32's flash under the core, on a simulated chip: NOR flash that only clears bits, NVS, a boot loader. The power
// is cut at every single thing that is written, and the next life must finish the update without harm.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "esp_ota_ops.h"
#include "esphome/components/mqtt_ota/ota/crypto.h"
#include "esphome/components/mqtt_ota/ota/flash_esp32.h"
#include "esphome/components/mqtt_ota/ota/store_esp32.h"
#include "esphome/components/mqtt_ota_core/crc32.h"
#include "esphome/components/watchdog/watchdog.h"
#include "esphome/core/application.h"
#include "nvs.h"

using namespace esphome::mqtt_board;

namespace {

constexpr uint32_t kSlot = 256 * 1024;
constexpr uint32_t kImage = 150 * 1024 + 7;
constexpr uint16_t kBlock = 4096;

struct PowerCut {};

/// What a board is made of, and what outlives its power.
struct Chip {
  std::vector<uint8_t> flash[2] = {std::vector<uint8_t>(kSlot, 0x5A), std::vector<uint8_t>(kSlot, 0xA5)};
  std::map<std::string, std::string> nvs;
  int boot = 0;
  int running = 0;
  bool pending = false;
  bool previous_is_good = true;
  bool by_cable = false;
  int cut_at = -1;
  int written = 0;
  int erased = 0;
  bool restarts = false;

  /// Count something that is written; the power may fail there.
  bool fails() { return written++ == cut_at; }
};

Chip *chip = nullptr;

constexpr esp_partition_t kPartitions[] = {
    {ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_OTA_0, 0x10000, kSlot},
    {ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_OTA_1, 0x90000, kSlot},
};

std::vector<uint8_t> &bytes_of(const esp_partition_t *partition) {
  return chip->flash[partition - kPartitions];
}

[[noreturn]] void fail(const char *what) {
  fprintf(stderr, "%s (power cut at write %d)\n", what, chip->cut_at);
  exit(1);
}

void expect(bool holds, const char *what) {
  if (!holds) fail(what);
}

}  // namespace

esp_err_t nvs_open(const char *, nvs_open_mode_t, nvs_handle_t *handle) {
  *handle = 1;
  return ESP_OK;
}
esp_err_t nvs_get_blob(nvs_handle_t, const char *key, void *value, size_t *length) {
  const auto found = chip->nvs.find(key);
  if (found == chip->nvs.end() || found->second.size() > *length) return ESP_ERR_NVS_NOT_FOUND;
  *length = found->second.size();
  memcpy(value, found->second.data(), *length);
  return ESP_OK;
}
esp_err_t nvs_set_blob(nvs_handle_t, const char *key, const void *value, size_t length) {
  if (chip->fails()) throw PowerCut();
  chip->nvs[key] = {static_cast<const char *>(value), length};
  return ESP_OK;
}
esp_err_t nvs_erase_key(nvs_handle_t, const char *key) {
  if (chip->fails()) throw PowerCut();
  return chip->nvs.erase(key) > 0 ? ESP_OK : ESP_ERR_NVS_NOT_FOUND;
}
esp_err_t nvs_commit(nvs_handle_t) {
  return ESP_OK;
}

esp_err_t esp_partition_read(const esp_partition_t *partition, size_t offset, void *into, size_t size) {
  expect(offset + size <= kSlot, "a read beyond the slot");
  memcpy(into, bytes_of(partition).data() + offset, size);
  return ESP_OK;
}
esp_err_t esp_partition_write(const esp_partition_t *partition, size_t offset, const void *from, size_t size) {
  expect(partition != &kPartitions[chip->running], "a write into what runs");
  expect(offset + size <= kSlot, "a write beyond the slot");
  const bool cut = chip->fails();
  for (size_t at = 0; at < (cut ? size / 2 : size); at++)
    bytes_of(partition)[offset + at] &= static_cast<const uint8_t *>(from)[at];
  if (cut) throw PowerCut();
  return ESP_OK;
}
esp_err_t esp_partition_erase_range(const esp_partition_t *partition, size_t offset, size_t size) {
  expect(partition != &kPartitions[chip->running], "what runs is erased");
  expect(offset % 4096 == 0 && size % 4096 == 0, "an erase that is not of whole sectors");
  const bool cut = chip->fails();
  std::fill_n(bytes_of(partition).begin() + static_cast<ptrdiff_t>(offset), cut ? size / 2 : size, 0xFF);
  if (cut) throw PowerCut();
  chip->erased++;
  return ESP_OK;
}

const esp_partition_t *esp_ota_get_running_partition() {
  return &kPartitions[chip->running];
}
const esp_partition_t *esp_ota_get_next_update_partition(const esp_partition_t *) {
  return &kPartitions[1 - chip->running];
}
esp_err_t esp_ota_set_boot_partition(const esp_partition_t *partition) {
  if (chip->fails()) throw PowerCut();
  chip->boot = static_cast<int>(partition - kPartitions);
  chip->pending = chip->boot != chip->running;
  return ESP_OK;
}
esp_err_t esp_ota_get_state_partition(const esp_partition_t *, esp_ota_img_states_t *state) {
  *state = chip->by_cable ? ESP_OTA_IMG_UNDEFINED : chip->pending ? ESP_OTA_IMG_PENDING_VERIFY : ESP_OTA_IMG_VALID;
  return ESP_OK;
}
esp_err_t esp_ota_mark_app_valid_cancel_rollback() {
  // The real one finds nothing to mark where the boot loader keeps no note of a choice.
  if (chip->by_cable) return ESP_FAIL;
  // Of the slot that is to boot; nothing is written where it is valid already.
  if (chip->pending && chip->fails()) throw PowerCut();
  chip->pending = false;
  return ESP_OK;
}
esp_err_t esp_ota_mark_app_invalid_rollback_and_reboot() {
  if (!chip->previous_is_good) return ESP_FAIL;
  chip->boot = 1 - chip->running;
  chip->restarts = true;
  return ESP_OK;
}

namespace esphome {
Application App;
void Application::feed_wdt() {}
void Application::safe_reboot() {
  chip->restarts = true;
}
namespace watchdog {
WatchdogManager::WatchdogManager(uint32_t) {}
WatchdogManager::~WatchdogManager() = default;
}  // namespace watchdog
}  // namespace esphome

namespace {

/// The house: offers an image, and answers what the board wants of it, the last of each want first.
class House final : public core::Broker, public core::Listener, public core::Clock {
 public:
  explicit House(const std::vector<uint8_t> &image) : image_(image) {
    crypto_.sha256_begin();
    crypto_.sha256_update({image.data(), image.size()});
    expect(crypto_.sha256_finish(&sha256_), "there is no digest");
  }

  void publish(const char *topic, core::Bytes payload, uint8_t, bool) override {
    if (core::Text(topic).substr(core::Text(topic).rfind('/')) != "/want") return;
    for (size_t bit = (payload.size - core::kWantHeader) * 8; bit-- > 0;) {
      if (payload.data[core::kWantHeader + bit / 8] & 1 << bit % 8)
        frames_.push_back(
            frame_(core::get_u32(payload.data + 12) + static_cast<uint32_t>(bit), core::get_u16(payload.data + 10)));
    }
  }
  void subscribe(const char *, uint8_t) override {}
  void unsubscribe(const char *) override {}
  void on_status(const core::Status &status, uint16_t) override { said.push_back(status); }
  uint32_t now() override { return now_ += 5; }

  void serve(core::Board *board) {
    const std::string text = offer_();
    board->received("mqtt_ota/board/b/offer", core::Bytes(core::Text(text)));
    while (!frames_.empty()) {
      const std::string frame = frames_.front();
      frames_.erase(frames_.begin());
      board->received("mqtt_ota/board/b/block", core::Bytes(core::Text(frame)));
      board->loop();
    }
  }

  std::vector<core::Status> said;

 private:
  std::string hex_(const uint8_t *data, size_t size) const {
    std::string text;
    char digits[3];
    for (size_t at = 0; at < size; at++) {
      snprintf(digits, sizeof(digits), "%02x", data[at]);
      text += digits;
    }
    return text;
  }

  std::string offer_() const {
    return R"({"protocol":1,"session":"0123456789abcdef","transport":"blocks","topic":"mqtt_ota/board/b/block",)"
           R"("block_size":4096,"window":8,"encoding":"raw","manifest":"mqtt_ota 1\nmodel=\nchip=host\nversion=2\nsize=)" +
           std::to_string(image_.size()) + R"(\nsha256=)" + hex_(sha256_.data(), sha256_.size()) + R"(\ncounter=0\n"})";
  }

  std::string frame_(uint32_t number, uint16_t block_size) const {
    const uint32_t length = core::block_length(number, static_cast<uint32_t>(image_.size()), block_size);
    const uint8_t *block = image_.data() + number * block_size;
    core::Crc32 crc;
    crc.add({block, length});
    uint8_t head[core::kFrameHeader] = {1, 0};
    memcpy(head + 2, sha256_.data(), 8);
    core::put_u32(head + 10, number * block_size);
    core::put_u16(head + 14, static_cast<uint16_t>(length));
    core::put_u32(head + 16, crc.value());
    std::string frame(reinterpret_cast<char *>(head), sizeof(head));
    return frame.append(reinterpret_cast<const char *>(block), length);
  }

  const std::vector<uint8_t> &image_;
  Crypto crypto_;
  core::Sha256 sha256_;
  std::vector<std::string> frames_;
  uint32_t now_ = 0;
};

/// A board from power on to the restart that it asks for, or to where the power is cut.
void live(House *house, const char *version) {
  chip->running = chip->boot;
  chip->restarts = false;
  core::Settings settings;
  settings.id = "b";
  settings.chip = "host";
  settings.version = version;
  settings.block_size = kBlock;
  Store store;
  Flash flash(&store);
  Crypto crypto;
  uint8_t block[kBlock];
  uint8_t held[core::Held::kChunkBytes];
  expect(store.setup() && flash.setup(), "the board has no slots");
  core::Board board(settings, {flash, flash, crypto, *house, store, *house, *house}, {block, sizeof(block), held, 1});
  expect(board.begin() == core::Begin::good, "the board does not begin");
  board.connected();
  if (!board.is_pending()) house->serve(&board);
  if (flash.is_restart_due()) flash.restart_now();
}

/// Ask for a way back that is not there.
void go_nowhere() {
  Chip one;
  chip = &one;
  one.previous_is_good = false;
  Store store;
  Flash flash(&store);
  flash.roll_back();
  flash.restart_now();
  expect(one.restarts, "the board stays, and hears nothing");
}

/// Write the slot of an image on trial by cable, which leaves the boot loader nothing to wait for.
void end_a_trial_by_cable(const std::vector<uint8_t> &image) {
  Chip one;
  chip = &one;
  House house(image);
  live(&house, "1");
  expect(one.boot == 1 && one.pending, "the new image is not on trial");
  one.pending = false;
  one.by_cable = true;
  live(&house, "2");
  expect(house.said.back().state == core::State::confirmed, "the board is pending for ever");
}

/// Update a new chip, with a power cut at this write; return how many there were.
int update(const std::vector<uint8_t> &image, int cut_at) {
  Chip one;
  chip = &one;
  one.cut_at = cut_at;
  House house(image);
  for (int lives = 0; lives < 8; lives++) {
    try {
      live(&house, one.boot == 0 ? "1" : "2");
    } catch (const PowerCut &) {
    }
    expect(std::all_of(one.flash[0].begin(), one.flash[0].end(), [](uint8_t byte) { return byte == 0x5A; }),
           "the image that ran has changed");
    const bool done = !house.said.empty() && house.said.back().state == core::State::confirmed;
    if (!done) continue;
    expect(one.boot == 1 && !one.pending, "the new image is confirmed and not chosen");
    expect(std::equal(image.begin(), image.end(), one.flash[1].begin()), "the slot is not the image");
    // One cut costs one step at most.
    expect(one.erased <= static_cast<int>(kImage / (64 * 1024)) + 2, "more was erased than had to be");
    return one.written;
  }
  fail("the update never ended");
}

}  // namespace

int main() {
  std::vector<uint8_t> image(kImage);
  uint32_t state = 1;
  for (uint8_t &byte : image) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  const int writes = update(image, -1);
  for (int cut_at = 0; cut_at < writes; cut_at++) update(image, cut_at);
  end_a_trial_by_cable(image);
  go_nowhere();
  printf("%d\n", writes);
}
