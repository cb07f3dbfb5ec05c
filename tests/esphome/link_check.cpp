// The way over ESPHome's MQTT client: what it takes from the client, and when it touches the client's list.
#include <cstdio>
#include <cstdlib>

#include "esphome/components/mqtt/mqtt_client.h"
#include "esphome/components/mqtt_ota/ota/link_esp32.h"

using namespace esphome::mqtt_board;

namespace esphome::mqtt {
MQTTClientComponent *global_mqtt_client = nullptr;
}

namespace {

void expect(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  exit(1);
}

/// Hears frames, and lets go of their topic at the last one, as the core does.
class Board final : public Hearer {
 public:
  void hear(core::Text topic, core::Bytes payload) override {
    heard.emplace_back(std::string(topic) + "=" + std::string(payload.text()));
    if (payload.text() == "last") link->unsubscribe("block");
  }

  Link *link = nullptr;
  std::vector<std::string> heard;
};

}  // namespace

int main() {
  esphome::mqtt::MQTTClientComponent client;
  esphome::mqtt::global_mqtt_client = &client;
  Board board;
  Link link(&board);
  board.link = &link;

  link.setup("root/board/b/availability", "asleep");
  expect(client.clean, "the session is not clean");
  for (const auto *message : {&client.will, &client.birth, &client.shutdown}) {
    expect(message->topic == "root/board/b/availability" && message->qos == 1 && message->retain, "a wrong message");
  }
  expect(client.will.payload == "offline" && client.birth.payload == "online", "a wrong word");
  expect(client.shutdown.payload == "asleep", "the board does not say that it sleeps");
  link.set_leave("offline");
  expect(client.shutdown.payload == "offline", "a restart is said to be sleep");

  for (int connects = 0; connects < 3; connects++) {
    link.subscribe("offer", 1);
    link.subscribe("cancel", 1);
    link.subscribe("block", 0);
  }
  expect(client.subscriptions.size() == 3, "a new connection subscribes once more");
  expect(client.subscriptions[0].qos == 1 && client.subscriptions[2].qos == 0, "a wrong quality of service");

  client.arrive("block", std::string("fir\0st", 6));
  client.arrive("block", "last");
  expect(board.heard.size() == 2 && board.heard[0] == std::string("block=fir\0st", 12), "a message is not heard whole");
  expect(client.subscriptions.size() == 3, "the list changes while it is run through");
  link.loop(false);
  expect(client.subscriptions.size() == 2, "a topic that is done is still subscribed");

  link.subscribe("block", 0);
  link.unsubscribe("block");
  link.subscribe("image", 0);
  link.unsubscribe("image");
  link.subscribe("image", 0);
  link.loop(false);
  expect(client.subscriptions.size() == 3 && client.subscriptions[2].topic == "image", "a change of way is lost");

  const uint8_t payload[] = {1, 0, 2};
  link.publish("want", {payload, sizeof(payload)}, 0, false);
  expect(client.published.size() == 1 && client.published[0].payload.size() == 3, "a message is not sent whole");
}
