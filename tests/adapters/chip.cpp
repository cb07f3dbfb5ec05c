// Flash, boot loader, NVS, PSA, HTTP and time of an ESP32-C3, as far as the adapters use them.
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "esp_app_desc.h"
#include "esp_crt_bundle.h"
#include "esp_http_client.h"
#include "esp_mac.h"
#include "esp_ota_ops.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "nvs.h"
#include "nvs_flash.h"
#include "psa/crypto.h"
#include "sha256.h"
#include "world.h"

using world::shared;

namespace {

/// Count a write; at the last one only a part of it happens, and then the power is gone.
template <typename Whole, typename Part>
void write(Whole whole, Part part) {
  if (++shared->writes == shared->cut_at) {
    if (shared->torn) part();
    _exit(world::kCut);
  }
  whole();
}

void write(const std::function<void()> &whole) {
  write(whole, [] {});
}

esp_partition_t *partitions() {
  static esp_partition_t both[2] = {
      {ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_OTA_0, 0x10000, world::kSlotSize, world::kSector, "app0",
       false},
      {ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_OTA_1, 0x20000, world::kSlotSize, world::kSector, "app1",
       false},
  };
  both[0].encrypted = both[1].encrypted = shared->is_encrypted;
  return both;
}

int number_of(const esp_partition_t *partition) {
  return static_cast<int>(partition - partitions());
}

void burn(uint8_t *cells, const uint8_t *from, size_t size) {
  for (size_t place = 0; place < size; place++) {
    shared->was_abused = shared->was_abused || (cells[place] & from[place]) != from[place];
    cells[place] &= from[place];
  }
}

esp_ota_handle_t open_handle = 0;
esp_ota_handle_t handles = 0;

}  // namespace

esp_err_t esp_partition_write(const esp_partition_t *partition, size_t offset, const void *from, size_t size) {
  if (offset + size > partition->size) return ESP_ERR_INVALID_SIZE;
  if (partition->encrypted && (offset % 16 != 0 || size % 16 != 0)) return ESP_ERR_INVALID_ARG;
  if (number_of(partition) == shared->running) return ESP_FAIL;
  uint8_t *cells = shared->slots[number_of(partition)] + offset;
  const auto *bytes = static_cast<const uint8_t *>(from);
  write([&] { burn(cells, bytes, size); }, [&] { burn(cells, bytes, size / 2); });
  return ESP_OK;
}

esp_err_t esp_partition_read(const esp_partition_t *partition, size_t offset, void *into, size_t size) {
  if (offset + size > partition->size) return ESP_ERR_INVALID_SIZE;
  memcpy(into, shared->slots[number_of(partition)] + offset, size);
  return ESP_OK;
}

const esp_partition_t *esp_ota_get_running_partition(void) {
  return partitions() + shared->running;
}

const esp_partition_t *esp_ota_get_next_update_partition(const esp_partition_t *) {
  return shared->has_one_slot ? nullptr : partitions() + (1 - shared->running);
}

esp_err_t esp_ota_begin(const esp_partition_t *partition, size_t size, esp_ota_handle_t *handle) {
  if (shared->states[shared->running] == ESP_OTA_IMG_PENDING_VERIFY) return ESP_ERR_OTA_ROLLBACK_INVALID_STATE;
  // Each begin of the real one leaves something behind that only its end, or an abort, frees.
  if (open_handle != 0) return ESP_ERR_NO_MEM;
  *handle = open_handle = ++handles;
  uint8_t *cells = shared->slots[number_of(partition)];
  const size_t whole = (size + world::kSector - 1) / world::kSector * world::kSector;
  write([&] { memset(cells, 0xFF, whole); }, [&] { memset(cells, 0xFF, whole / 2); });
  shared->states[number_of(partition)] = ESP_OTA_IMG_INVALID;
  return ESP_OK;
}

esp_err_t esp_ota_write_with_offset(esp_ota_handle_t handle, const void *from, size_t size, uint32_t offset) {
  if (handle == 0 || handle != open_handle) return ESP_ERR_INVALID_ARG;
  return esp_partition_write(partitions() + (1 - shared->running), offset, from, size);
}

esp_err_t esp_ota_abort(esp_ota_handle_t handle) {
  if (handle == 0 || handle != open_handle) return ESP_ERR_NOT_FOUND;
  open_handle = 0;
  return ESP_OK;
}

esp_err_t esp_ota_set_boot_partition(const esp_partition_t *partition) {
  const int slot = number_of(partition);
  if (shared->cannot_activate || shared->slots[slot][0] != 0xE9) return ESP_ERR_OTA_VALIDATE_FAILED;
  write([slot] {
    shared->chosen = slot;
    shared->states[slot] = ESP_OTA_IMG_NEW;
  });
  return ESP_OK;
}

esp_err_t esp_ota_get_state_partition(const esp_partition_t *partition, esp_ota_img_states_t *state) {
  *state = static_cast<esp_ota_img_states_t>(shared->states[number_of(partition)]);
  return ESP_OK;
}

esp_err_t esp_ota_mark_app_valid_cancel_rollback(void) {
  // The real one finds nothing to mark where the boot loader keeps no note of a choice, as after a cable.
  if (shared->states[shared->running] == ESP_OTA_IMG_UNDEFINED) return ESP_FAIL;
  write([] { shared->states[shared->running] = ESP_OTA_IMG_VALID; });
  return ESP_OK;
}

esp_err_t esp_ota_mark_app_invalid_rollback_and_reboot(void) {
  write([] { shared->states[shared->running] = ESP_OTA_IMG_INVALID; });
  _exit(world::kRestart);
}

const esp_app_desc_t *esp_app_get_description(void) {
  static esp_app_desc_t description;
  memcpy(&description, shared->slots[shared->running] + 32, sizeof(description));
  return &description;
}

void esp_restart(void) {
  _exit(world::kRestart);
}

esp_err_t esp_read_mac(uint8_t *mac, esp_mac_type_t) {
  const uint8_t address[6] = {0x02, 0, 0, 0, 0, 0xA1};
  memcpy(mac, address, sizeof(address));
  return ESP_OK;
}

int64_t esp_timer_get_time(void) {
  return int64_t{shared->time} * 1000;
}

esp_err_t nvs_flash_init(void) {
  return ESP_OK;
}

esp_err_t nvs_open(const char *, nvs_open_mode_t, nvs_handle_t *handle) {
  *handle = 1;
  return ESP_OK;
}

namespace {

world::Value *find(const char *key) {
  for (auto &value : shared->values) {
    if (strcmp(value.name, key) == 0) return &value;
  }
  return nullptr;
}

}  // namespace

esp_err_t nvs_get_blob(nvs_handle_t, const char *key, void *into, size_t *size) {
  const world::Value *value = find(key);
  if (value == nullptr) return ESP_ERR_NVS_NOT_FOUND;
  if (value->size > *size) return ESP_ERR_NVS_INVALID_LENGTH;
  memcpy(into, value->bytes, value->size);
  *size = value->size;
  return ESP_OK;
}

esp_err_t nvs_set_blob(nvs_handle_t, const char *key, const void *from, size_t size) {
  if (strlen(key) >= sizeof(world::Value::name)) return ESP_ERR_NVS_KEY_TOO_LONG;
  world::Value *value = find(key);
  if (value == nullptr) value = find("");
  if (value == nullptr || size > sizeof(value->bytes)) return ESP_ERR_NVS_NOT_ENOUGH_SPACE;
  write([&] {
    strcpy(value->name, key);
    value->size = static_cast<uint16_t>(size);
    memcpy(value->bytes, from, size);
  });
  return ESP_OK;
}

esp_err_t nvs_erase_key(nvs_handle_t, const char *key) {
  world::Value *value = find(key);
  if (value == nullptr) return ESP_ERR_NVS_NOT_FOUND;
  write([&] { value->name[0] = '\0'; });
  return ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t) {
  return ESP_OK;
}

namespace {

std::vector<uint8_t> hashed;
std::vector<uint8_t> imported;

}  // namespace

psa_status_t psa_crypto_init(void) {
  return PSA_SUCCESS;
}

psa_status_t psa_hash_setup(psa_hash_operation_t *operation, psa_algorithm_t algorithm) {
  if (operation->begun || algorithm != PSA_ALG_SHA_256) return -1;
  operation->begun = 1;
  hashed.clear();
  return PSA_SUCCESS;
}

psa_status_t psa_hash_update(psa_hash_operation_t *operation, const uint8_t *from, size_t size) {
  if (!operation->begun) return -1;
  hashed.insert(hashed.end(), from, from + size);
  return PSA_SUCCESS;
}

psa_status_t psa_hash_finish(psa_hash_operation_t *operation, uint8_t *into, size_t size, size_t *length) {
  const auto sha256 = sha256_of(hashed);
  if (!operation->begun || size < sha256.size()) return -1;
  operation->begun = 0;
  std::copy(sha256.begin(), sha256.end(), into);
  *length = sha256.size();
  return PSA_SUCCESS;
}

psa_status_t psa_hash_abort(psa_hash_operation_t *operation) {
  operation->begun = 0;
  return PSA_SUCCESS;
}

psa_status_t psa_import_key(const psa_key_attributes_t *attributes, const uint8_t *from, size_t size,
                            psa_key_id_t *key) {
  // A key that was not destroyed would keep its place for ever.
  if (!imported.empty() || attributes->bits != 256 || size != 65 || from[0] != 4) return -1;
  imported.assign(from, from + size);
  *key = 1;
  return PSA_SUCCESS;
}

psa_status_t psa_destroy_key(psa_key_id_t) {
  imported.clear();
  return PSA_SUCCESS;
}

psa_status_t psa_verify_hash(psa_key_id_t, psa_algorithm_t, const uint8_t *hash, size_t hash_size,
                             const uint8_t *signature, size_t) {
  const bool good = std::equal(imported.begin() + 1, imported.begin() + 33, signature) &&
                    std::equal(hash, hash + hash_size, signature + 32);
  return good ? PSA_SUCCESS : -1;
}

struct esp_http_client {
  esp_http_client_config_t config = {};
  std::string url;
  std::string range;
  uint32_t at = 0;
  uint32_t sent = 0;
  int status = 0;
  int redirects = 0;
  bool open = false;
};

esp_err_t esp_crt_bundle_attach(void *) {
  return ESP_OK;
}

esp_http_client_handle_t esp_http_client_init(const esp_http_client_config_t *config) {
  auto *client = new esp_http_client;
  client->config = *config;
  client->url = config->url;
  client->config.url = nullptr;
  return client;
}

esp_err_t esp_http_client_set_header(esp_http_client_handle_t client, const char *key, const char *value) {
  if (strcmp(key, "Range") == 0) client->range = value;
  return ESP_OK;
}

esp_err_t esp_http_client_delete_header(esp_http_client_handle_t client, const char *) {
  client->range.clear();
  return ESP_OK;
}

esp_err_t esp_http_client_open(esp_http_client_handle_t client, int) {
  world::pass(5);
  if (client->open) return ESP_FAIL;
  shared->requests++;
  client->open = true;
  client->sent = 0;
  return ESP_OK;
}

int64_t esp_http_client_fetch_headers(esp_http_client_handle_t client) {
  const uint32_t from = client->range.empty() ? 0 : static_cast<uint32_t>(std::stoul(client->range.substr(6)));
  client->at = 0;
  client->status = shared->http_status != 0 ? shared->http_status : 200;
  if (client->redirects < shared->http_redirects) {
    client->status = 307;
  } else if (!client->range.empty() && !shared->http_ignores_ranges && client->status == 200) {
    shared->ranges++;
    client->status = 206;
    client->at = from;
    const uint32_t told = shared->http_lies_about_range ? from + 1 : from;
    std::string value = "bytes " + std::to_string(told) + "-" + std::to_string(shared->image.size - 1) + "/" +
                        std::to_string(shared->image.size);
    std::string key = "content-range";
    esp_http_client_event_t event{HTTP_EVENT_ON_HEADER, client, client->config.user_data, key.data(), value.data()};
    client->config.event_handler(&event);
  }
  return shared->image.size - client->at;
}

int esp_http_client_get_status_code(esp_http_client_handle_t client) {
  return client->status;
}

esp_err_t esp_http_client_set_redirection(esp_http_client_handle_t client) {
  client->redirects++;
  if (shared->http_leaves_scheme) client->url = "http://elsewhere/";
  return ESP_OK;
}

esp_http_client_transport_t esp_http_client_get_transport_type(esp_http_client_handle_t client) {
  if (client->url.rfind("https:", 0) == 0) return HTTP_TRANSPORT_OVER_SSL;
  return client->url.rfind("http:", 0) == 0 ? HTTP_TRANSPORT_OVER_TCP : HTTP_TRANSPORT_UNKNOWN;
}

int esp_http_client_read(esp_http_client_handle_t client, char *into, int size) {
  world::pass(1);
  if (!client->open) return -1;
  if (shared->http_loses_after != 0 && client->sent >= shared->http_loses_after) return -1;
  const uint32_t most = std::min<uint32_t>(700, shared->image.size - client->at);
  const uint32_t count = std::min(most, static_cast<uint32_t>(size));
  memcpy(into, shared->image.bytes + client->at, count);
  client->at += count;
  client->sent += count;
  return static_cast<int>(count);
}

esp_err_t esp_http_client_close(esp_http_client_handle_t client) {
  client->open = false;
  return ESP_OK;
}

esp_err_t esp_http_client_cleanup(esp_http_client_handle_t client) {
  delete client;
  return ESP_OK;
}
