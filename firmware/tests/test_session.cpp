#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;
using Strings = std::vector<std::string>;

// How sessions end, change and go on another way.

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 50000);

Strings way_of_an_update() {
  return {"accepted", "transferring", "verifying", "rebooting", "confirmed"};
}

}  // namespace

TEST_CASE("an image comes by its URL, whatever else is said meanwhile") {
  Bench bench;
  bench.power_on();
  Terms terms;
  terms.transport = "http";
  bench.offer(kImage, terms);
  CHECK(bench.fetcher.url == "http://127.0.0.1/image");
  bench.run_until("transferring");
  bench.say(bench.own("cancel"), "{}");
  bench.connect();
  CHECK(bench.run_until("confirmed"));
  CHECK(bench.states() == way_of_an_update());
  CHECK(bench.said("want").empty());
  CHECK(bench.fetcher.sought > 0);
}

TEST_CASE("a URL goes on where the blocks ended") {
  Bench bench;
  bench.way = [&](const std::string &frame) { return bench.frames > 5 ? Strings{} : Strings{frame}; };
  bench.power_on();
  bench.offer(kImage);
  bench.run(5);
  Terms terms;
  terms.transport = "http";
  bench.offer(kImage, terms);
  CHECK(bench.fetcher.begun == std::vector<uint32_t>{5 * 4096});
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("a URL that ends too soon fails, and keeps what it brought") {
  Bench bench;
  bench.power_on();
  Terms terms;
  terms.transport = "http";
  std::vector<uint8_t> half(kImage.begin(), kImage.begin() + 20000);
  bench.offer(kImage, terms);
  bench.board->fetched({kImage.data(), 20000});
  bench.fetcher.runs = false;
  bench.board->fetch_failed("gone\nwith \"the\" wind");
  CHECK(bench.last_status() ==
        "{\"session\":\"00112233445566aa\",\"state\":\"failed\",\"held\":16384,\"reason\":\"transport\","
        "\"detail\":\"gone?with \\\"the\\\" wind\"}");
  bench.offer(kImage);
  CHECK(field_of(bench.last_status(), "held") == "16384");
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("silence ends a transfer, its blocks are kept") {
  Bench bench;
  bench.way = [&](const std::string &frame) { return bench.frames > 9 ? Strings{} : Strings{frame}; };
  bench.power_on();
  bench.offer(kImage);
  const uint32_t begin = bench.clock.time;
  CHECK(bench.run_until("failed"));
  CHECK(field_of(bench.last_status(), "reason") == "timeout");
  CHECK(bench.clock.time - begin >= 300000);
  CHECK(bench.clock.time - begin < 302000);
  bench.frames = -1000;
  bench.offer(kImage);
  CHECK(field_of(bench.last_status(), "reason") == "timeout");
  Terms terms;
  terms.session = kOtherSession;
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "held") == std::to_string(9 * 4096));
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("a cancelled session is over, its blocks are kept") {
  Bench bench;
  bench.power_on();
  bench.offer(kImage);
  bench.run_until("transferring");
  bench.cancel();
  CHECK(field_of(bench.last_status(), "state") == "cancelled");
  CHECK(bench.broker.subscribed.count(bench.own("block")) == 0);
  const size_t statuses = bench.said("status").size();
  bench.cancel();
  bench.offer(kImage);
  CHECK(bench.said("status").size() == statuses + 2);
  CHECK(field_of(bench.last_status(), "state") == "cancelled");
  bench.cancel(kOtherSession);
  CHECK(bench.said("status").size() == statuses + 2);
  Terms terms;
  terms.session = kOtherSession;
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "held") != "0");
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("a session can be cancelled while it waits for its offer") {
  Bench bench;
  bench.power_on();
  bench.offer(kImage);
  bench.run_until("transferring");
  bench.offers_again = false;
  bench.power_on();
  bench.cancel();
  CHECK(field_of(bench.last_status(), "state") == "cancelled");
}

TEST_CASE("another image must wait, the same one changes its session") {
  Bench bench;
  bench.power_on();
  bench.offer(kImage);
  bench.run_until("transferring");
  Terms terms;
  terms.session = kOtherSession;
  bench.say(bench.own("offer"), bench.offer_text(make_app("1.2.0", 5000), terms));
  CHECK(field_of(bench.last_status(), "reason") == "busy");
  CHECK(field_of(bench.last_status(), "session") == kOtherSession);
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "state") == "transferring");
  CHECK(bench.run_until("confirmed"));
  CHECK(field_of(bench.last_status(), "session") == kOtherSession);
  CHECK(bench.frames == 13);
}

TEST_CASE("a session cannot change its image unseen") {
  PublicKey key{};
  Bench bench;
  bench.settings.keys = &key;
  bench.settings.key_count = 1;
  bench.power_on();
  Terms terms;
  const Signature signature = FakeCrypto::sign(key, bench.manifest_of(kImage));
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < signature.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t place = 0; place < 3; place++) bits = bits << 8 | (at + place < 64 ? signature[at + place] : 0);
    for (int shift = 18; shift >= 0; shift -= 6) terms.signature += digits[bits >> shift & 63];
  }
  terms.signature.replace(86, 2, "==");
  bench.offer(kImage, terms);
  bench.run_until("transferring");
  bench.say(bench.own("offer"), bench.offer_text(make_app("6.6.6", 50000), terms));
  CHECK(field_of(bench.last_status(), "reason") == "signature");
  CHECK(bench.run_until("confirmed"));
  CHECK(bench.running_version() == "1.1.0");
}

TEST_CASE("a verdict that nobody heard is said after the next connect") {
  Bench bench;
  bench.way = [&](const std::string &frame) { return bench.frames > 3 ? Strings{} : Strings{frame}; };
  bench.power_on();
  bench.offer(kImage);
  bench.run(1);
  bench.board->disconnected();
  const size_t said = bench.said("status").size();
  bench.run(310);
  CHECK_FALSE(bench.board->is_transferring());
  CHECK(bench.said("status").size() == said);
  bench.offers_again = false;
  bench.connect();
  CHECK(bench.said("status").size() == said + 1);
  CHECK(field_of(bench.last_status(), "reason") == "timeout");
  bench.connect();
  CHECK(bench.said("status").size() == said + 1);
}
