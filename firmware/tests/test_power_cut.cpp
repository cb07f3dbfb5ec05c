#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;

// The promise: the power may go at every single write, and the board is never without an image.

namespace {

const std::vector<uint8_t> kOld = make_app("1.0.0", 4096, 99);
const std::vector<uint8_t> kNew = make_app("1.1.0", 14000);

bool runs_whole_image(const Bench &bench) {
  const auto &slot = bench.flash.slot(bench.flash.running());
  const auto begins_with = [&](const std::vector<uint8_t> &image) {
    return std::equal(image.begin(), image.end(), slot.begin());
  };
  return begins_with(kOld) || begins_with(kNew);
}

struct Way {
  const char *name;
  const char *transport;
  uint16_t block_size;
  Order order;
  uint16_t chunks;
};

/// Install, with a cut at one write, and go on as a house would. Returns false when there are fewer writes.
bool survives(const Way &way, int cut_at, bool torn) {
  Bench bench;
  bench.settings.block_size = way.block_size;
  bench.settings.order = way.order;
  bench.chunks = way.chunks;
  bench.power_on();
  bench.power.cut_at = cut_at;
  bench.power.torn = torn;
  Terms terms;
  terms.transport = way.transport;
  bench.offer(kNew, terms);
  bench.run_until("confirmed", 120);
  if (bench.power.on) return false;
  const size_t heard_before = bench.broker.said.size();
  bench.power.cut_at = 0;
  bench.flash.restarts = 0;
  bench.broker.unheard.clear();
  bench.power_on();
  CAPTURE(cut_at);
  REQUIRE(runs_whole_image(bench));
  // The house offers again; where the new image lost its one chance, it does so in a new session.
  bench.run(5);
  if (field_of(bench.last_status(), "state") == "rolled_back") terms.session = kOtherSession;
  if (bench.running_version() != "1.1.0") bench.offer(kNew, terms);
  bench.run(60);
  CHECK(bench.running_version() == "1.1.0");
  CHECK(field_of(bench.last_status(), "state") == "confirmed");
  CHECK_FALSE(bench.flash.abused);
  CHECK(bench.broker.said.size() > heard_before);
  CHECK_FALSE(bench.board->is_pending());
  // What is said to be running is what runs.
  bench.power_on();
  const Sha256 sha256 = sha256_of(kNew);
  CHECK(field_of(bench.said("announce").back(), "sha256") == hex_of({sha256.data(), sha256.size()}));
  return true;
}

}  // namespace

TEST_CASE("the power may go at every single write of an install") {
  for (const Way &way :
       {Way{"blocks", "blocks", 4096, Order::any, 8}, Way{"in order", "blocks", 1024, Order::sequential, 8},
        Way{"url", "http", 2048, Order::any, 8}, Way{"small blocks", "blocks", 256, Order::any, 1}}) {
    CAPTURE(way.name);
    for (const bool torn : {false, true}) {
      int cut_at = 1;
      while (survives(way, cut_at, torn)) cut_at++;
      CHECK(cut_at > 15);
    }
  }
}

TEST_CASE("the power may go at every single write of a roll back") {
  for (int cut_at = 1;; cut_at++) {
    Bench bench;
    bench.flash.verdict = SelfTest::failed;
    bench.power_on();
    bench.offer(kNew);
    bench.restarts_by_itself = false;
    REQUIRE(bench.run_until("rebooting"));
    bench.flash.restarts = 0;
    bench.restarts_by_itself = true;
    bench.broker.unheard.clear();
    bench.power.cut_at = bench.power.writes + cut_at;
    bench.power_on();
    bench.run(5);
    if (bench.power.on) {
      CHECK(cut_at > 3);
      return;
    }
    bench.power.cut_at = 0;
    bench.flash.restarts = 0;
    bench.power_on();
    bench.run(5);
    CAPTURE(cut_at);
    CHECK(bench.running_version() == "1.0.0");
    CHECK(field_of(bench.last_status(), "state") == "rolled_back");
  }
}
