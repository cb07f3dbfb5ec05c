// The Arduino library with PubSubClient, as a sketch uses it.
#include <MqttOta.h>

#include "scenarios.h"

namespace {

using world::shared;

void begin(MqttOta &ota, const Application &application) {
  for (const std::string &key : application.keys) ota.key(key.c_str());
  const char self_test = application.self_test;
  ota.selfTest([self_test] {
    return self_test == 'p' ? MqttOta::Test::passed : self_test == 'f' ? MqttOta::Test::failed : MqttOta::Test::running;
  });
  ota.id("relay-1").model("relay");
}

void start(const Application &application) {
  WiFiClient network;
  PubSubClient mqtt(network);
  MqttOta ota(mqtt);
  const std::string version = world::running_version();
  begin(ota, application);
  ota.version(version.c_str());
  // A sketch goes on without updates; nothing may come of that either.
  if (ota.begin() != MqttOta::Problem::none) mqtt.connect("", "", "", "", 0, false, "");
  for (;;) {
    ota.loop();
    if (ota.problem() != MqttOta::Problem::none) world::pass(10);
  }
}

void sketch_announces() {
  world::live([] {
    setup();
    for (;;) loop();
  });
  const std::string said(shared->said, shared->said_size);
  CHECK(said.rfind("mqtt_ota/board/esp32c3-0200000000a1/announce|0r| {\"protocol\":1,", 0) == 0);
  CHECK(world::field(said, "model") == "relay");
  CHECK(verifyRollbackLater());
}

void needs_memory() {
  shared->has_no_memory = true;
  const int ending = world::live([] {
    WiFiClient network;
    PubSubClient mqtt(network);
    MqttOta ota(mqtt);
    ota.id("relay-1").version("1.0.0");
    bool good = ota.begin() == MqttOta::Problem::buffer && mqtt.getBufferSize() < ota.bufferNeeded();
    for (int turn = 0; turn < 10; turn++) ota.loop();
    good = good && ota.problem() == MqttOta::Problem::buffer && !mqtt.connected();
    // Memory that comes free later is enough.
    shared->has_no_memory = false;
    for (int turn = 0; turn < 10; turn++) ota.loop();
    good = good && ota.problem() == MqttOta::Problem::none && mqtt.connected();
    good = good && mqtt.getBufferSize() == ota.bufferNeeded();
    _Exit(good ? world::kOver : world::kBroken);
  });
  CHECK(ending == world::kOver);
}

/// Install blocks with a buffer that is so much smaller than needed. Return how many frames that took.
uint32_t install_with(uint16_t block_size, uint16_t lack) {
  world::begin();
  world::Terms terms;
  terms.block_size = block_size;
  world::offer(world::make_app("1.1.0", 40000), terms);
  world::live([=] {
    WiFiClient network;
    PubSubClient mqtt(network);
    MqttOta ota(mqtt);
    const std::string version = world::running_version();
    ota.id("relay-1").model("relay").version(version.c_str()).blockSize(block_size).begin();
    ota.loop();
    mqtt.setBufferSize(static_cast<uint16_t>(ota.bufferNeeded() - lack));
    for (;;) {
      ota.loop();
      if (ota.problem() != (lack == 0 ? MqttOta::Problem::none : MqttOta::Problem::buffer)) _Exit(world::kBroken);
    }
  });
  CHECK(world::running_version() == "1.1.0");
  CHECK(world::states().back() == "confirmed");
  return shared->frames;
}

void buffer_is_enough() {
  for (const uint16_t block_size : {1024, 4096, 16384}) {
    const uint32_t blocks = (40000U + block_size - 1) / block_size;
    CHECK(install_with(block_size, 0) == blocks);
    // A sketch that takes it away gets smaller blocks, after two probes that are dropped without a word.
    CHECK(install_with(block_size, 10) == (40000U + block_size / 2 - 1) / (block_size / 2) + 2);
  }
}

void shares_the_client() {
  const int ending = world::live([] {
    WiFiClient network;
    PubSubClient mqtt(network);
    MqttOta ota(mqtt);
    std::string heard;
    std::string statuses;
    ota.id("relay-1").model("relay").version("1.0.0");
    ota.onConnect([&] { mqtt.subscribe("lamp/set", 0); });
    ota.onMessage([&](char *topic, uint8_t *payload, unsigned int length) {
      heard += std::string(topic) + "=" + std::string(reinterpret_cast<char *>(payload), length);
    });
    ota.onStatus([&](const char *state, const char *, uint32_t) { statuses += std::string(state) + " "; });
    ota.begin();
    ota.loop();
    const bool idle = !ota.isBusy();
    world::bring("lamp/set", "on");
    world::bring("mqtt_ota/board/relay-1/offer", "nonsense");
    for (int turn = 0; turn < 5; turn++) ota.loop();
    world::offer(new_image());
    world::bring("mqtt_ota/board/relay-1/offer", shared->offer);
    ota.loop();
    const bool busy = ota.isBusy();
    _Exit(heard == "lamp/set=on" && statuses == "accepted " && idle && busy ? world::kOver : world::kBroken);
  });
  CHECK(ending == world::kOver);
}

void sleeps() {
  const int ending = world::live([] {
    WiFiClient network;
    PubSubClient mqtt(network);
    MqttOta ota(mqtt);
    ota.id("relay-1").version("1.0.0").wakeInterval(600).begin();
    ota.sleep();
    ota.loop();
    ota.sleep();
    _Exit(mqtt.connected() ? world::kBroken : world::kOver);
  });
  CHECK(ending == world::kOver);
  CHECK((world::said("availability") == Strings{"online", "asleep"}));
  CHECK(world::field(world::said("announce").back(), "wake_interval") == "600");
}

void comes_back() {
  // The connection breaks off in the middle; the board makes another one and goes on where it was.
  world::offer(new_image());
  world::live(
      [] {
        WiFiClient network;
        PubSubClient mqtt(network);
        MqttOta ota(mqtt);
        const std::string version = world::running_version();
        ota.id("relay-1").model("relay").version(version.c_str()).begin();
        for (int turn = 0;; turn++) {
          if (turn % 4 == 3 && turn < 20) mqtt.disconnect();
          ota.loop();
        }
      },
      120);
  check_installed();
}

void sketch_connects() {
  // As PubSubClient's own examples do it: the library never sees that the connection was lost.
  world::offer(new_image());
  world::live(
      [] {
        WiFiClient network;
        PubSubClient mqtt(network);
        MqttOta ota(mqtt);
        const std::string version = world::running_version();
        ota.id("relay-1").model("relay").version(version.c_str()).begin();
        for (int turn = 0;; turn++) {
          if (turn == 2) mqtt.disconnect();
          if (!mqtt.connected()) mqtt.connect("relay-1", "", "", ota.willTopic(), 1, true, "offline");
          ota.loop();
        }
      },
      300);
  check_installed();
}

void says_what_is_wrong() {
  const int ending = world::live([] {
    WiFiClient network;
    PubSubClient mqtt(network);
    MqttOta ota(mqtt);
    bool good = ota.problem() == MqttOta::Problem::not_begun && ota.id("relay-1").begin() == MqttOta::Problem::settings;
    for (int problem = 0; problem <= static_cast<int>(MqttOta::Problem::buffer); problem++) {
      good = good && MqttOta::describe(static_cast<MqttOta::Problem>(problem))[0] != '\0';
    }
    _Exit(good ? world::kOver : world::kBroken);
  });
  CHECK(ending == world::kOver);
}

}  // namespace

int main(int count, char **arguments) {
  Scenarios all = common(start);
  all["runs the example"] = sketch_announces;
  all["waits for memory for its buffer"] = needs_memory;
  all["needs a buffer of exactly what it says"] = buffer_is_enough;
  all["leaves other messages to the sketch"] = shares_the_client;
  all["says that it sleeps"] = sleeps;
  all["goes on after connections that break off"] = comes_back;
  all["hears again after the sketch has connected by itself"] = sketch_connects;
  all["says what is wrong"] = says_what_is_wrong;
  return run(count, arguments, all);
}
