// A board that Home Assistant can update, with the MQTT client that ESP-IDF brings along.
//
// It takes messages of any size in pieces, publishes with QoS 1, and works in tasks of its own: nothing has to be called
// in `loop`, and a delay() there does no harm. Partitions, keys and rollback are as in the example Relay.
//
// TLS: "mqtts://..." as the address; the certificate is checked against the bundle of public authorities. For one of
// your own set broker.verification.certificate to your authority's PEM instead.
#include <MqttOta.h>
#include <WiFi.h>
#include <esp_crt_bundle.h>
#include <mqtt_client.h>
#include <mqtt_ota.h>

void setup() {
  WiFi.begin("your network", "its password");
  while (WiFi.status() != WL_CONNECTED) delay(100);

  mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
  ota.model = "relay";
  ota.version = "1.0.0";

  esp_mqtt_client_config_t mqtt = {};
  mqtt.broker.address.uri = "mqtt://192.168.1.2";
  mqtt.broker.verification.crt_bundle_attach = esp_crt_bundle_attach;
  mqtt.credentials.username = "relay-1";
  mqtt.credentials.authentication.password = "password";

  if (mqtt_ota_prepare(&ota, &mqtt) != ESP_OK) return;
  esp_mqtt_client_handle_t client = esp_mqtt_client_init(&mqtt);
  mqtt_ota_start(client);
  esp_mqtt_client_start(client);
}

void loop() {
  delay(1000);
}
