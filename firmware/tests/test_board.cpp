#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;
using Strings = std::vector<std::string>;

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 50000);

Strings way_of_an_update() {
  return {"accepted", "transferring", "verifying", "rebooting", "confirmed"};
}

bool is_probe(const std::string &want) {
  return want[1] == 1;
}

}  // namespace

TEST_CASE("an image goes all the way") {
  Bench bench;
  bench.power_on();
  bench.offer(kImage);
  CHECK(bench.run_until("confirmed"));
  CHECK(bench.states() == way_of_an_update());
  CHECK(bench.running_version() == "1.1.0");
  CHECK(bench.frames == 13);
  CHECK_FALSE(bench.flash.abused);
  const Strings wants = bench.said("want");
  CHECK(is_probe(wants[0]));
  for (size_t place = 1; place < wants.size(); place++) CHECK_FALSE(is_probe(wants[place]));
  const Strings announces = bench.said("announce");
  CHECK(field_of(announces[0], "version") == "1.0.0");
  CHECK(field_of(announces[1], "pending") == "true");
  CHECK(field_of(announces[2], "pending") == "");
  CHECK(field_of(announces[2], "sha256") == field_of(announces[1], "sha256"));
  CHECK(bench.said("availability") == Strings{"online", "offline", "online"});
  CHECK(bench.broker.subscribed.size() == 2);
}

TEST_CASE("sizes: one block, a short one, whole ones") {
  for (const size_t size : {80u, 4096u, 4097u, 8192u, 65535u}) {
    CAPTURE(size);
    Bench bench;
    bench.power_on();
    bench.offer(make_app("1.1.0", size));
    CHECK(bench.run_until("confirmed"));
    CHECK(field_of(bench.last_status(), "held") == std::to_string(size));
  }
}

TEST_CASE("messages may come in pieces of any size") {
  for (const size_t piece : {1u, 7u, 20u, 21u, 1000u, 1024u}) {
    CAPTURE(piece);
    Bench bench;
    bench.piece = piece;
    bench.power_on();
    bench.offer(kImage);
    CHECK(bench.run_until("confirmed"));
    CHECK(bench.frames == 13);
  }
}

TEST_CASE("a bad way costs time, never correctness") {
  for (const Order order : {Order::any, Order::sequential}) {
    for (const uint8_t window : {uint8_t{1}, uint8_t{2}, uint8_t{8}, uint8_t{32}}) {
      for (uint32_t seed = 1; seed < 6; seed++) {
        Bench bench;
        bench.settings.order = order;
        bench.settings.window = window;
        uint32_t state = seed;
        std::string late;
        bench.way = [&](const std::string &frame) {
          state = state * 1664525 + 1013904223;
          Strings arrived{frame};
          switch (state >> 28) {
            case 0:
            case 1:
              return Strings{};
            case 2:
              arrived[0].back() = static_cast<char>(arrived[0].back() ^ 1);
              break;
            case 3:
              arrived.push_back(frame);
              break;
            case 4:
              std::swap(arrived[0], late);
              break;
            case 5:
              arrived[0].resize(frame.size() / 2);
              break;
            default:
              break;
          }
          return arrived;
        };
        bench.power_on();
        bench.offer(kImage);
        CAPTURE(seed);
        CHECK(bench.run_until("confirmed"));
        CHECK_FALSE(bench.flash.abused);
      }
    }
  }
}

TEST_CASE("frames that are too large become smaller, before the slot is touched") {
  Bench bench;
  bench.way = [](const std::string &frame) { return frame.size() > 2000 ? Strings{} : Strings{frame}; };
  bench.power_on();
  bench.offer(kImage);
  CHECK(bench.run_until("transferring"));
  std::vector<int> sizes;
  for (const std::string &want : bench.said("want")) {
    if (is_probe(want)) sizes.push_back(get_u16(reinterpret_cast<const uint8_t *>(want.data()) + 10));
  }
  CHECK(sizes == std::vector<int>{4096, 4096, 2048, 2048, 1024});
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("where no frame arrives the way has failed, and the session may come another way") {
  Bench bench;
  bench.way = [](const std::string &) { return Strings{}; };
  bench.power_on();
  bench.offer(kImage);
  CHECK(bench.run_until("failed"));
  CHECK(field_of(bench.last_status(), "reason") == "transport");
  CHECK(bench.said("want").size() == 10);
  CHECK(bench.flash.begun == 0);
  Terms terms;
  terms.transport = "http";
  bench.offer(kImage, terms);
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("two boards hear the frames of one topic") {
  Bench bench;
  bench.power_on();
  Terms terms;
  const Sha256 sha256 = sha256_of(kImage);
  terms.topic = "mqtt_ota/image/" + hex_of({sha256.data(), 8});
  bench.offer(kImage, terms);
  CHECK(bench.broker.subscribed.count(terms.topic) == 1);
  // What another board asked for is taken too.
  bench.say(terms.topic, frame_of(kImage, 8 * 4096, 4096));
  bench.say(terms.topic, frame_of(make_app("9", 50000), 9 * 4096, 4096));
  bench.say(terms.topic, frame_of(kImage, 100, 4096));
  bench.say(terms.topic, frame_of(kImage, 4096, 2048));
  CHECK(bench.board->held() == 4096);
  CHECK(bench.run_until("confirmed"));
  CHECK(bench.frames == 13);
}

TEST_CASE("a connection that is lost only interrupts") {
  for (const Order order : {Order::any, Order::sequential}) {
    Bench bench;
    bench.settings.order = order;
    bench.power_on();
    bench.offer(kImage);
    bench.run_until("transferring");
    bench.board->disconnected();
    bench.broker.unheard.clear();
    bench.run(30);
    bench.connect();
    CHECK(bench.run_until("confirmed"));
  }
}
