// A board that Home Assistant can update, with PubSubClient.
//
// Choose a partition scheme with two app slots ("Default 4MB with spiffs", "Minimal SPIFFS"), and a board of your chip.
// To try an update: raise `version`, "Sketch > Export Compiled Binary", and give the .bin (not the .merged or
// .bootloader one) to Home Assistant as a release for the model "relay".
//
// Wi-Fi: it may come and go; `loop` connects to the broker as soon as it can.
//
// TLS: take NetworkClientSecure (#include <NetworkClientSecure.h>) for `network`, give it your authority with
// `network.setCACert(pem)`, and use port 8883. Without TLS, password and image can be read on the way.
//
// Keys: without one, whoever may publish on this board's offer topic can install what he likes. Make one and give the
// second line's output to `.key("...")`; from the next image on, only signed ones are taken:
//   openssl ecparam -name prime256v1 -genkey -noout -out key.pem
//   openssl ec -in key.pem -pubout -outform DER | tail -c 65 | base64 -w 0
// Keep key.pem off the board and out of the sketch folder. Lose it, and the board needs a cable.
//
// Rollback: the boot loader that Arduino installs gives a new image one start. It is kept once it has reached the broker
// and passed `.selfTest(...)`, if you give one; with a crash, a reset or a failed test the board is back with the old
// one. So a new sketch with a wrong Wi-Fi password is undone by the next reset.
//
// Leave no long delay() in `loop`: updates come in there.
#include <MqttOta.h>
#include <PubSubClient.h>
#include <WiFi.h>

WiFiClient network;
PubSubClient mqtt(network);
MqttOta ota(mqtt);

void setup() {
  WiFi.begin("your network", "its password");
  mqtt.setServer("192.168.1.2", 1883);
  ota.model("relay").version("1.0.0").credentials("relay-1", "password").begin();
}

void loop() {
  ota.loop();
}
