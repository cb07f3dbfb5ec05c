#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;
using Strings = std::vector<std::string>;

// How a new image proves itself, and what is said when it does not.

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 9000);

void install(Bench *bench, const Terms &terms = {}) {
  bench->power_on();
  bench->offer(kImage, terms);
}

}  // namespace

TEST_CASE("an image that does not boot is rolled back") {
  Bench bench;
  bench.new_image_is_broken = true;
  install(&bench);
  CHECK(bench.run_until("rolled_back"));
  CHECK(bench.last_status() ==
        "{\"session\":\"00112233445566aa\",\"state\":\"rolled_back\",\"held\":0,\"reason\":\"boot\"}");
  CHECK(field_of(bench.said("announce").back(), "version") == "1.0.0");
  // The verdict outlives the next restart, and is said once more when it is asked for.
  const size_t statuses = bench.said("status").size();
  bench.power_on();
  CHECK(bench.said("status").size() == statuses);
  bench.offer(kImage);
  CHECK(bench.said("status").size() == statuses + 1);
  CHECK(field_of(bench.last_status(), "state") == "rolled_back");
}

TEST_CASE("an image that finds itself unfit goes back") {
  Bench bench;
  bench.flash.verdict = SelfTest::failed;
  install(&bench);
  CHECK(bench.run_until("rolled_back"));
  CHECK(field_of(bench.last_status(), "reason") == "self_test");
  CHECK(bench.running_version() == "1.0.0");
  CHECK(field_of(bench.said("announce")[1], "pending") == "true");
}

TEST_CASE("an image that is still testing itself stays pending, and its slot stays its way back") {
  Bench bench;
  bench.flash.verdict = SelfTest::running;
  install(&bench);
  bench.run(10);
  CHECK(bench.board->is_pending());
  CHECK(field_of(bench.last_status(), "state") == "rebooting");
  Terms terms;
  terms.session = kOtherSession;
  bench.offer(make_app("1.2.0", 5000), terms);
  CHECK(field_of(bench.last_status(), "reason") == "busy");
  bench.offer(kImage);
  CHECK(field_of(bench.last_status(), "state") == "rebooting");
  bench.cancel();
  CHECK(field_of(bench.last_status(), "state") == "rebooting");
  SUBCASE("until it has passed") {
    bench.flash.verdict = SelfTest::passed;
    CHECK(bench.run_until("confirmed"));
    CHECK_FALSE(bench.board->is_pending());
  }
  SUBCASE("or restarts before that") {
    bench.power_on();
    CHECK(bench.running_version() == "1.0.0");
    CHECK(field_of(bench.last_status(), "reason") == "boot");
  }
}

TEST_CASE("what runs is not installed again, and an older one not at all") {
  Bench bench;
  Terms terms;
  terms.counter = 7;
  install(&bench, terms);
  CHECK(bench.run_until("confirmed"));
  CHECK(field_of(bench.said("announce").back(), "counter") == "7");
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "state") == "confirmed");
  terms.session = kOtherSession;
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "reason") == "already_running");
  terms.counter = 6;
  bench.offer(make_app("1.0.9", 5000), terms);
  CHECK(field_of(bench.last_status(), "reason") == "counter");
  // Another image by cable: what the board knew of its slot is no longer true.
  bench.power_on();
  CHECK(field_of(bench.said("announce").back(), "sha256") != "");
  bench.flash.flash_by_cable(make_app("3.0.0", 4096));
  bench.power_on();
  CHECK(field_of(bench.said("announce").back(), "sha256") == "");
}

TEST_CASE("a board without rollback is never pending") {
  Bench bench;
  bench.settings.rollback = false;
  install(&bench);
  CHECK(bench.run_until("confirmed"));
  for (const std::string &announce : bench.said("announce")) CHECK(field_of(announce, "pending") == "");
  CHECK(bench.said("announce").size() == 2);
}

TEST_CASE("after the restart was asked for nothing is heard any more") {
  Bench bench;
  bench.restarts_by_itself = false;
  install(&bench);
  CHECK(bench.run_until("rebooting"));
  const size_t said = bench.broker.said.size();
  bench.cancel();
  bench.offer(kImage);
  bench.board->loop();
  bench.connect();
  CHECK(bench.broker.said.size() == said);
}

TEST_CASE("the next update goes into the other slot") {
  Bench bench;
  install(&bench);
  CHECK(bench.run_until("confirmed"));
  Terms terms;
  terms.session = kOtherSession;
  terms.version = "1.2.0";
  bench.offer(make_app("1.2.0", 12000), terms);
  bench.run(10);
  CHECK(bench.running_version() == "1.2.0");
  CHECK(bench.flash.running() == 0);
  CHECK_FALSE(bench.flash.abused);
}
