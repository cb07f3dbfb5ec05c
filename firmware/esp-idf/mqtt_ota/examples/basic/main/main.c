// A board that Home Assistant can update.
//
//   idf.py set-target esp32c3
//   idf.py menuconfig      "Example Connection Configuration": Wi-Fi; "Relay": broker; "MQTT OTA": root, key
//   idf.py flash monitor
//
// To try an update: raise PROJECT_VER in CMakeLists.txt, `idf.py build`, and give build/relay.bin to Home Assistant as
// a release for the model "relay".
//
// TLS: with "mqtts://..." as the broker the certificate below is checked against ESP-IDF's bundle of public
// authorities. For a certificate of your own set .broker.verification.certificate to your authority's PEM instead.
//
// Keys: without one, whoever may publish on this board's offer topic can install what he likes. Make one and put the
// second line's output into menuconfig ("MQTT OTA"); from the next image on, only signed ones are taken:
//   openssl ecparam -name prime256v1 -genkey -noout -out key.pem
//   openssl ec -in key.pem -pubout -outform DER | tail -c 65 | base64 -w 0
// Keep key.pem off the board and out of the repository. Lose it, and the board needs a cable.
//
// Rollback: sdkconfig.defaults enables it in the boot loader, which is written by cable alone. A new image then has one
// start to reach the broker and pass `judge`; with a crash, a reset or a failed test the board is back with the old
// one.
#include "esp_crt_bundle.h"
#include "esp_event.h"
#include "esp_netif.h"
#include "mqtt_client.h"
#include "mqtt_ota.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"
#include "sdkconfig.h"

// Is the new image good for anything? It has reached the broker already; look at sensors, outputs, free memory.
static mqtt_ota_test_t judge(void *context) {
  (void)context;
  return MQTT_OTA_TEST_PASSED;
}

void app_main(void) {
  ESP_ERROR_CHECK(nvs_flash_init());
  ESP_ERROR_CHECK(esp_netif_init());
  ESP_ERROR_CHECK(esp_event_loop_create_default());
  ESP_ERROR_CHECK(example_connect());

  mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
  ota.model = "relay";
  ota.self_test = judge;

  esp_mqtt_client_config_t mqtt = {0};
  mqtt.broker.address.uri = CONFIG_RELAY_BROKER;
  mqtt.broker.verification.crt_bundle_attach = esp_crt_bundle_attach;
  mqtt.credentials.username = CONFIG_RELAY_USER;
  mqtt.credentials.authentication.password = CONFIG_RELAY_PASSWORD;

  ESP_ERROR_CHECK(mqtt_ota_prepare(&ota, &mqtt));
  esp_mqtt_client_handle_t client = esp_mqtt_client_init(&mqtt);
  ESP_ERROR_CHECK(mqtt_ota_start(client));
  ESP_ERROR_CHECK(esp_mqtt_client_start(client));
}
