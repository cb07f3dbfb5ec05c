// The ESP-IDF component, as an application uses it.
#include <cstdlib>
#include <thread>

#include "idf_world.h"
#include "mqtt_ota.h"
#include "scenarios.h"

extern "C" void app_main(void);

namespace {

mqtt_ota_test_t judge(void *context) {
  switch (*static_cast<const char *>(context)) {
    case 'p':
      return MQTT_OTA_TEST_PASSED;
    case 'f':
      return MQTT_OTA_TEST_FAILED;
    default:
      return MQTT_OTA_TEST_RUNNING;
  }
}

void start(const Application &application) {
  std::vector<const char *> keys;
  for (const std::string &key : application.keys) keys.push_back(key.c_str());
  char self_test = application.self_test;
  mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
  ota.id = "relay-1";
  ota.model = "relay";
  ota.keys = keys.data();
  ota.key_count = keys.size();
  ota.self_test = judge;
  ota.context = &self_test;
  esp_mqtt_client_config_t mqtt = {};
  if (mqtt_ota_prepare(&ota, &mqtt) != ESP_OK) return;
  const esp_mqtt_client_handle_t client = esp_mqtt_client_init(&mqtt);
  if (mqtt_ota_start(client) != ESP_OK) return;
  esp_mqtt_client_start(client);
  run_task();
}

void example_announces() {
  world::live([] {
    app_main();
    run_task();
  });
  // It has no id of its own: the address is in the topic.
  const std::string said(world::shared->said, world::shared->said_size);
  CHECK(said.rfind("mqtt_ota/board/esp32c3-0200000000a1/announce|1r| {\"protocol\":1,", 0) == 0);
  CHECK(world::field(said, "model") == "relay");
  CHECK(world::field(said, "project") == "relay");
  CHECK(world::field(said, "version") == "1.0.0");
}

void pieces() {
  for (const uint32_t piece : {1U, 19U, 333U, 5000U}) {
    world::begin();
    world::shared->piece = piece;
    world::offer(new_image());
    world::live([] { start({}); });
    check_installed();
  }
}

void flood() {
  // Far more than the inbox holds: what is left out is asked for again.
  world::shared->frame_copies = 40;
  world::offer(new_image());
  world::live([] { start({}); }, 200);
  check_installed();
}

void comes_back() {
  for (const uint32_t messages : {2U, 3U, 5U}) {
    world::begin();
    world::shared->breaks_after = messages;
    world::Terms terms;
    terms.block_size = 1024;
    world::offer(new_image(), terms);
    world::live([] { start({}); }, 200);
    check_installed();
  }
}

void shares_the_client() {
  world::shared->noise = 100000;
  world::offer(new_image());
  world::live([] { start({}); });
  check_installed();
}

void sleeps() {
  const int ending = world::live(
      [] {
        std::thread application;
        mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
        ota.id = "relay-1";
        esp_mqtt_client_config_t mqtt = {};
        mqtt_ota_prepare(&ota, &mqtt);
        const esp_mqtt_client_handle_t client = esp_mqtt_client_init(&mqtt);
        mqtt_ota_start(client);
        esp_mqtt_client_start(client);
        application = std::thread([] {
          const bool good = mqtt_ota_say_asleep(UINT32_MAX / 2) == ESP_OK && !mqtt_ota_is_busy();
          _Exit(good ? world::kOver : world::kBroken);
        });
        run_task();
      },
      2000000);
  CHECK(ending == world::kOver);
  CHECK(world::said("availability").back() == "asleep");
}

void quality() {
  world::offer(new_image());
  world::live([] { start({}); });
  const std::string said(world::shared->said, world::shared->said_size);
  CHECK(said.find("/announce|1r|") != std::string::npos);
  CHECK(said.find("/availability|1r|") != std::string::npos);
  CHECK(said.find("/status|1-|") != std::string::npos);
  CHECK(said.find("|0") == std::string::npos);
}

void starts_once() {
  const int ending = world::live([] {
    mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
    ota.id = "relay-1";
    esp_mqtt_client_config_t mqtt = {};
    mqtt_ota_prepare(&ota, &mqtt);
    const esp_mqtt_client_handle_t client = esp_mqtt_client_init(&mqtt);
    const bool good = mqtt_ota_start(client) == ESP_OK && mqtt_ota_start(client) == ESP_ERR_INVALID_STATE;
    _Exit(good ? world::kOver : world::kBroken);
  });
  CHECK(ending == world::kOver);
}

void refuses_another_will() {
  const int ending = world::live([] {
    mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
    esp_mqtt_client_config_t mqtt = {};
    mqtt.session.last_will.topic = "mine";
    const bool refused = mqtt_ota_prepare(&ota, &mqtt) == ESP_ERR_INVALID_STATE &&
                         mqtt_ota_start(nullptr) == ESP_ERR_INVALID_STATE && !mqtt_ota_is_busy() &&
                         mqtt_ota_say_asleep(0) == ESP_ERR_INVALID_STATE;
    mqtt.session.last_will.topic = nullptr;
    ota.id = "no/id";
    _Exit(refused && mqtt_ota_prepare(&ota, &mqtt) == ESP_ERR_INVALID_ARG ? world::kOver : world::kBroken);
  });
  CHECK(ending == world::kOver);
}

}  // namespace

int main(int count, char **arguments) {
  Scenarios all = common(start);
  all["runs the example"] = example_announces;
  all["takes messages in pieces of any size"] = pieces;
  all["outlives a flood of frames"] = flood;
  all["goes on after connections that break off"] = comes_back;
  all["leaves other messages to the application"] = shares_the_client;
  all["says that it sleeps"] = sleeps;
  all["speaks with the protocol's quality of service"] = quality;
  all["starts once"] = starts_once;
  all["refuses what cannot work"] = refuses_another_will;
  return run(count, arguments, all);
}
