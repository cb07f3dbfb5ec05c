#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;

// A new image that reaches nobody must not be the last one.

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 9000);

/// Install an image that does not judge itself yet.
void install(Bench *bench) {
  bench->flash.verdict = SelfTest::running;
  bench->power_on();
  bench->offer(kImage);
  bench->run(10);
  REQUIRE(bench->running_version() == "1.1.0");
}

}  // namespace

TEST_CASE("a new image that does not reach the broker goes back by itself") {
  Bench bench;
  install(&bench);
  bench.board->disconnected();
  bench.run(280);
  CHECK(bench.running_version() == "1.1.0");
  bench.run(20);
  CHECK(bench.running_version() == "1.0.0");
  CHECK(field_of(bench.last_status(), "state") == "rolled_back");
  CHECK(field_of(bench.last_status(), "reason") == "self_test");
}

TEST_CASE("a new image that reaches the broker is left to its own judgement") {
  Bench bench;
  install(&bench);
  bench.run(900);
  CHECK(bench.board->is_pending());
  CHECK(bench.running_version() == "1.1.0");
}

TEST_CASE("an image that has confirmed itself may be alone for as long as it likes") {
  Bench bench;
  install(&bench);
  bench.flash.verdict = SelfTest::passed;
  REQUIRE(bench.run_until("confirmed"));
  bench.board->disconnected();
  bench.run(3600);
  CHECK(bench.running_version() == "1.1.0");
}

TEST_CASE("a board without a way back does not go back") {
  Bench bench;
  bench.settings.rollback = false;
  bench.flash.verdict = SelfTest::failed;
  bench.power_on();
  bench.offer(kImage);
  CHECK(bench.run_until("confirmed"));
  CHECK(bench.running_version() == "1.1.0");
}
