#include <doctest/doctest.h>

#include <algorithm>

#include "bench.h"

using namespace mqtt_ota;

// A message comes in pieces, and anything may happen between two of them.

namespace {

/// Say the first bytes of a message, before anything else is said, and return the rest of it.
std::string say_half(Bench *bench, const std::string &topic, const std::string &message) {
  bench->broker.unheard.clear();
  const size_t half = message.size() / 2;
  bench->board->message(topic, message.size());
  bench->board->piece(Bytes(Text(message)).first(half));
  return message.substr(half);
}

bool is_erased(const std::vector<uint8_t> &slot) {
  return std::all_of(slot.begin(), slot.end(), [](uint8_t byte) { return byte == 0xFF; });
}

}  // namespace

TEST_CASE("a frame whose session ends between its pieces does not touch the slot") {
  // A single block: written, it would make the image whole, and start it.
  const std::vector<uint8_t> image = make_app("1.1.0", 4000);
  Bench bench;
  bench.way = [](const std::string &) { return std::vector<std::string>{}; };
  bench.power_on();
  bench.offer(image);
  const std::string rest = say_half(&bench, bench.own("block"), frame_of(image, 0, image.size()));
  bench.clock.time += bench.settings.give_up;
  bench.board->loop();
  REQUIRE(field_of(bench.last_status(), "reason") == "timeout");
  bench.board->piece(Bytes(Text(rest)));
  CHECK(field_of(bench.last_status(), "state") == "failed");
  CHECK(bench.flash.restarts == 0);
  CHECK(is_erased(bench.flash.slot(1)));
}

TEST_CASE("an offer that never comes to its end does not spoil the block that is being fetched") {
  const std::vector<uint8_t> image = make_app("1.1.0", 50000);
  Bench bench;
  bench.power_on();
  Terms terms;
  terms.transport = "http";
  bench.offer(image, terms);
  bench.board->fetched({image.data(), 1000});
  bench.fetcher.at = 1000;
  say_half(&bench, bench.own("offer"), bench.offer_text(image, terms));
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("what is fetched between the pieces of an offer costs the offer, not the image") {
  const std::vector<uint8_t> image = make_app("1.1.0", 50000);
  Bench bench;
  bench.power_on();
  Terms terms;
  terms.transport = "http";
  bench.offer(image, terms);
  const std::string rest = say_half(&bench, bench.own("offer"), bench.offer_text(image, terms));
  const size_t statuses = bench.said("status").size();
  bench.board->fetched({image.data(), 3000});
  bench.fetcher.at = 3000;
  bench.board->piece(Bytes(Text(rest)));
  CHECK(bench.said("status").size() == statuses);
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("an image that confirms itself between the pieces of an offer costs the offer") {
  const std::vector<uint8_t> image = make_app("1.1.0", 9000);
  Bench bench;
  bench.flash.verdict = SelfTest::running;
  bench.power_on();
  bench.offer(image);
  bench.run(10);
  REQUIRE(bench.board->is_pending());
  const std::string rest = say_half(&bench, bench.own("offer"), bench.offer_text(image));
  bench.flash.verdict = SelfTest::passed;
  bench.board->loop();
  const size_t dropped = bench.listener.dropped.size();
  bench.board->piece(Bytes(Text(rest)));
  CHECK(field_of(bench.last_status(), "state") == "confirmed");
  CHECK(bench.listener.dropped.size() == dropped);
}
