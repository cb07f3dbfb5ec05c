#include "agent.h"

#include <esp_app_desc.h>
#include <esp_log.h>
#include <freertos/task.h>

#include "join.h"

namespace mqtt_ota {

namespace {

constexpr char kTag[] = "mqtt_ota";
constexpr uint32_t kLastWords = 2000;
constexpr uint32_t kGlance = 20;
/// Pieces that are heard before anything else is done: an offer comes in fewer.
constexpr size_t kInOneStep = 16;
/// What a block costs in the inbox beside itself, in all the pieces that it may come in.
constexpr size_t kOverhead = 256;

const char *or_else(const char *text, const char *otherwise) {
  return text != nullptr ? text : otherwise;
}

void live(void *agent) {
  for (;;) static_cast<Agent *>(agent)->step();
}

}  // namespace

esp_err_t Agent::prepare(const mqtt_ota_config_t &config) {
  config_ = config;
  if (!slot_.open() || !store_.open()) {
    ESP_LOGE(kTag, "the partition table needs two OTA slots and NVS");
    return ESP_ERR_NOT_FOUND;
  }
  describe_(config);
  const esp_err_t trusted = trust_(config);
  if (trusted != ESP_OK) return trusted;
  fetcher_.trust(config.certificate);
  slot_.judge_by(config.self_test != nullptr ? test_ : nullptr, this);
  switch (board_.begin()) {
    case Begin::good:
      break;
    case Begin::bad_settings:
      return ESP_ERR_INVALID_ARG;
    case Begin::too_little_memory:
      return ESP_ERR_NO_MEM;
    case Begin::broken_crypto:
      return ESP_FAIL;
  }
  join(availability_, {settings_.root, "/board/", settings_.id, "/availability"});
  return ESP_OK;
}

void Agent::describe_(const mqtt_ota_config_t &config) {
  identity_.read();
  const esp_app_desc_t *app = esp_app_get_description();
  settings_.root = or_else(config.root, CONFIG_MQTT_OTA_ROOT);
  settings_.id = or_else(config.id, identity_.id);
  settings_.name = or_else(config.name, "");
  settings_.model = or_else(config.model, "");
  settings_.chip = identity_.chip;
  settings_.project = app->project_name;
  settings_.version = or_else(config.version, app->version);
  settings_.mac = identity_.mac;
  settings_.feed = or_else(config.feed, "");
  settings_.block_size = kBlockSize;
  settings_.window = CONFIG_MQTT_OTA_WINDOW;
#ifdef CONFIG_MQTT_OTA_HTTP
  settings_.http = true;
  settings_.https = kCertificateBundle || config.certificate != nullptr;
#endif
  settings_.counter = config.counter > app->secure_version ? config.counter : app->secure_version;
  settings_.rollback = kRollback;
  settings_.wake_interval = config.wake_interval;
}

/// Read the keys. One that is none stops everything: the board would take what nobody signed.
esp_err_t Agent::trust_(const mqtt_ota_config_t &config) {
  if (!crypto_.open()) return ESP_FAIL;
  bool good = true;
  for (size_t place = 0; good && place < config.key_count; place++) good = keys_.add(config.keys[place], &crypto_);
  constexpr char kOwn[] = CONFIG_MQTT_OTA_PUBLIC_KEY;
  if (config.key_count == 0 && sizeof(kOwn) > 1) good = keys_.add(kOwn, &crypto_);
  if (!good) {
    ESP_LOGE(kTag, "a key is none: base64 of the 65-byte point of P-256, %u at most", unsigned{Keys::kMost});
    return ESP_ERR_INVALID_ARG;
  }
  settings_.keys = keys_.data();
  settings_.key_count = keys_.size();
  return ESP_OK;
}

esp_err_t Agent::start(esp_mqtt_client_handle_t client) {
  if (broker_.is_open()) return ESP_ERR_INVALID_STATE;
  constexpr size_t kInbox = CONFIG_MQTT_OTA_WINDOW * (size_t{kBlockSize} + kOverhead) + kMaxOffer;
  if (!broker_.open(client, settings_, kInbox)) return ESP_ERR_NO_MEM;
  busy_ = board_.is_pending();
  const BaseType_t made =
      xTaskCreate(live, "mqtt_ota", CONFIG_MQTT_OTA_TASK_STACK, this, CONFIG_MQTT_OTA_TASK_PRIORITY, nullptr);
  return made == pdPASS ? ESP_OK : ESP_ERR_NO_MEM;
}

void Agent::step() {
  const uint32_t board = board_.idle_time();
  const uint32_t fetcher = fetcher_.idle_time();
  bool hears = hear_(board < fetcher ? board : fetcher);
  // What is fetched between two pieces of a message would cost the message.
  for (size_t more = 0; hears && more < kInOneStep; more++) hears = hear_(0);
  fetcher_.step(board_);
  board_.loop();
  busy_ = board_.is_transferring() || board_.is_pending();
  if (slot_.is_leaving()) return leave_();
  if (asleep_) {
    board_.leave(Availability::asleep);
    asleep_ = false;
  }
}

bool Agent::hear_(uint32_t milliseconds) {
  const bool was_online = broker_.is_online();
  const bool hears = broker_.hear(board_, milliseconds);
  if (!was_online && broker_.is_online() && !board_.is_pending()) slot_.adopt();
  return hears;
}

/// Get the last words out, then restart.
void Agent::leave_() {
  broker_.flush(kLastWords);
  broker_.close();
  slot_.leave();
}

bool Agent::say_asleep(uint32_t milliseconds) {
  asleep_ = true;
  uint32_t waited = 0;
  for (; asleep_ && waited < milliseconds; waited += kGlance) vTaskDelay(pdMS_TO_TICKS(kGlance));
  if (asleep_) return false;
  broker_.flush(milliseconds - waited);
  return true;
}

void Agent::on_status(const Status &status, uint16_t) {
  ESP_LOGI(kTag, "%s %s (%lu bytes)", name_of(status.state), name_of(status.reason),
           static_cast<unsigned long>(status.held));
  if (config_.on_status == nullptr) return;
  const mqtt_ota_status_t said{name_of(status.state), name_of(status.reason), status.held};
  config_.on_status(&said, config_.context);
}

SelfTest Agent::test_(void *agent) {
  const mqtt_ota_config_t &config = static_cast<Agent *>(agent)->config_;
  switch (config.self_test(config.context)) {
    case MQTT_OTA_TEST_RUNNING:
      return SelfTest::running;
    case MQTT_OTA_TEST_PASSED:
      return SelfTest::passed;
    case MQTT_OTA_TEST_FAILED:
      break;
  }
  return SelfTest::failed;
}

}  // namespace mqtt_ota
