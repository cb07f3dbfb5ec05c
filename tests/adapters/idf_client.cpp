// The Arduino library with ESP-IDF's client, in its example.
#include <Arduino.h>

#include "idf_world.h"
#include "scenarios.h"

namespace {

void sketch_announces() {
  world::live([] {
    setup();
    run_task();
  });
  const std::string said(world::shared->said, world::shared->said_size);
  CHECK(said.rfind("mqtt_ota/board/esp32c3-0200000000a1/announce|1r| {\"protocol\":1,", 0) == 0);
  CHECK(world::field(said, "model") == "relay");
  CHECK(said.find(R"(["blocks","http","https"])") != std::string::npos);
}

}  // namespace

int main(int count, char **arguments) {
  return run(count, arguments, {{"runs the example", sketch_announces}});
}
