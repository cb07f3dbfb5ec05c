#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;

// Whatever is said again, too late or by somebody else, and in whichever state: the update goes on as if it were not.

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 20000);

struct Stage {
  const char *name;
  void (*reach)(Bench *bench);
};

struct Disturbance {
  const char *name;
  void (*happen)(Bench *bench);
};

/// A frame of the image with another offset in its header.
std::string frame_at(uint32_t offset, size_t length) {
  std::string frame = frame_of(kImage, 0, length);
  put_u32(reinterpret_cast<uint8_t *>(frame.data()) + 10, offset);
  return frame;
}

const Stage kStages[] = {
    {"accepted", [](Bench *bench) { REQUIRE(field_of(bench->last_status(), "state") == "accepted"); }},
    {"transferring", [](Bench *bench) { REQUIRE(bench->run_until("transferring")); }},
    {"rebooting",
     [](Bench *bench) {
       bench->restarts_by_itself = false;
       REQUIRE(bench->run_until("rebooting"));
     }},
    {"pending",
     [](Bench *bench) {
       bench->flash.verdict = SelfTest::running;
       bench->run(10);
       REQUIRE(bench->board->is_pending());
     }},
    {"confirmed", [](Bench *bench) { REQUIRE(bench->run_until("confirmed")); }},
};

const Disturbance kDisturbances[] = {
    {"the offer again", [](Bench *bench) { bench->say(bench->own("offer"), bench->offer_text(kImage)); }},
    {"another image",
     [](Bench *bench) {
       Terms terms;
       terms.session = kOtherSession;
       terms.chip = "ESP32";
       bench->say(bench->own("offer"), bench->offer_text(make_app("1.2.0", 5000), terms));
     }},
    {"a cancel of another session",
     [](Bench *bench) { bench->say(bench->own("cancel"), std::string(R"({"session":")") + kOtherSession + "\"}"); }},
    {"a lost connection",
     [](Bench *bench) {
       bench->board->disconnected();
       bench->connect();
     }},
    {"a connection that was lost unseen", [](Bench *bench) { bench->connect(); }},
    {"frames behind the end",
     [](Bench *bench) {
       for (const uint32_t offset : {20480U, 0x7FFFF000U, 0xFFFFF000U, 0xFFFFFFFFU}) {
         bench->say(bench->own("block"), frame_at(offset, 4096));
       }
     }},
    {"frames across blocks", [](Bench *bench) { bench->say(bench->own("block"), frame_at(2048, 4096)); }},
    {"frames that are too long", [](Bench *bench) { bench->say(bench->own("block"), frame_at(0, 8192)); }},
    {"the beginning once more", [](Bench *bench) { bench->say(bench->own("block"), frame_at(0, 4096)); }},
    {"a frame of another image",
     [](Bench *bench) { bench->say(bench->own("block"), frame_of(make_app("1.2.0", 20000), 4096, 4096)); }},
    {"nothing at all",
     [](Bench *bench) {
       for (const char *kind : {"offer", "cancel", "block"}) bench->say(bench->own(kind), "");
     }},
    {"bytes from a URL that nobody asked for",
     [](Bench *bench) {
       bench->board->fetched({kImage.data(), 5000});
       bench->board->fetch_failed("late");
     }},
};

}  // namespace

TEST_CASE("an update goes on, whatever else is said") {
  for (const Stage &stage : kStages) {
    for (const Disturbance &disturbance : kDisturbances) {
      CAPTURE(stage.name);
      CAPTURE(disturbance.name);
      Bench bench;
      bench.power_on();
      bench.offer(kImage);
      stage.reach(&bench);
      disturbance.happen(&bench);
      bench.restarts_by_itself = true;
      bench.flash.verdict = SelfTest::passed;
      CHECK(bench.run_until("confirmed"));
      CHECK(bench.running_version() == "1.1.0");
      CHECK_FALSE(bench.flash.abused);
      CHECK_FALSE(bench.board->is_pending());
    }
  }
}

TEST_CASE("a cancel ends a session up to its restart, and then no more") {
  for (const Stage &stage : kStages) {
    CAPTURE(stage.name);
    Bench bench;
    bench.power_on();
    bench.offer(kImage);
    stage.reach(&bench);
    bench.cancel();
    bench.restarts_by_itself = true;
    bench.flash.verdict = SelfTest::passed;
    bench.run(10);
    const bool is_too_late = std::string(stage.name) != "accepted" && std::string(stage.name) != "transferring";
    CHECK(field_of(bench.last_status(), "state") == (is_too_late ? "confirmed" : "cancelled"));
    CHECK(bench.running_version() == (is_too_late ? "1.1.0" : "1.0.0"));
  }
}
