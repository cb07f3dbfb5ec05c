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

TEST_CASE("flash that fails or lies is told, and nothing of it is believed") {
  Bench bench;
  bench.power_on();
  SUBCASE("erase") {
    bench.flash.can_begin = false;
  }
  SUBCASE("write") {
    bench.flash.bad_at = 30000;
  }
  SUBCASE("lies") {
    bench.flash.lies = true;
  }
  SUBCASE("boot") {
    bench.flash.can_activate = false;
  }
  bench.offer(kImage);
  CHECK(bench.run_until("failed"));
  const std::string reason = field_of(bench.last_status(), "reason");
  CHECK(reason == (bench.flash.lies ? "digest" : bench.flash.can_activate ? "flash" : "image"));
  CHECK(bench.flash.restarts == 0);
  CHECK(bench.store.values.count("record") == 0);
  CHECK(bench.store.values.count("trial") == 0);
  bench.flash.can_begin = bench.flash.can_activate = true;
  bench.flash.bad_at = 0;
  bench.flash.lies = false;
  Terms terms;
  terms.session = kOtherSession;
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "held") == "0");
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("a store that takes nothing costs the resume, and forbids the boot") {
  Bench bench;
  bench.power_on();
  bench.store.full = true;
  bench.offer(kImage);
  CHECK(bench.run_until("failed"));
  CHECK(field_of(bench.last_status(), "reason") == "flash");
  CHECK(bench.running_version() == "1.0.0");
}

TEST_CASE("a slot that cannot be resumed begins anew") {
  Bench bench;
  bench.power_on();
  bench.offer(kImage);
  bench.run_until("transferring");
  bench.flash.can_resume = false;
  bench.power_on();
  CHECK(bench.run_until("confirmed"));
  CHECK(bench.flash.begun == 2);
  CHECK_FALSE(bench.flash.abused);
}

TEST_CASE("what is no application is never started") {
  Bench bench;
  bench.power_on();
  bench.offer(std::vector<uint8_t>(5000));
  CHECK(bench.run_until("failed"));
  CHECK(field_of(bench.last_status(), "reason") == "image");
}

TEST_CASE("nonsense is dropped") {
  Bench bench;
  bench.way = [&](const std::string &frame) { return bench.frames > 3 ? Strings{} : Strings{frame}; };
  bench.power_on();
  bench.offer(kImage);
  bench.run(1);
  const Strings before = bench.said("status");
  bench.say(bench.own("offer"), "");
  bench.say(bench.own("offer"), std::string(1025, ' '));
  bench.say(bench.own("offer"), std::string(1000, '['));
  bench.say(bench.own("cancel"), "\xff\xfe");
  bench.say(bench.own("block"), "");
  bench.say(bench.own("block"), std::string(40, 1));
  bench.say(bench.own("block"), std::string(20000, 1));
  CHECK(bench.listener.dropped.size() == 7);
  CHECK(bench.said("status") == before);
  // A message that is longer than it said.
  bench.board->message(bench.own("offer"), 2);
  bench.board->piece(Bytes(Text("{}{}")));
  bench.board->message(bench.own("block"), 21);
  bench.board->piece(Bytes(Text("0123456789012345678901234567890")));
  bench.frames = -1000;
  CHECK(bench.run_until("confirmed"));
}

TEST_CASE("settings that cannot work are refused at the beginning") {
  Bench bench;
  bench.settings.version = "1";
  std::vector<uint8_t> held(32);
  std::vector<uint8_t> block(4096);
  Ports ports{bench.flash, bench.flash, bench.crypto, bench.clock, bench.store, bench.broker, bench.listener, nullptr};
  Memory memory{block.data(), block.size(), held.data(), 1};
  const std::string long_text(65, 'x');
  Settings &settings = bench.settings;
  settings.http = false;
  CHECK(Board(settings, ports, memory).begin() == Begin::good);
  Begin expected = Begin::bad_settings;
  SUBCASE("id") {
    settings.id = "a/b";
  }
  SUBCASE("name") {
    settings.name = long_text;
  }
  SUBCASE("chip") {
    settings.chip = "";
  }
  SUBCASE("version") {
    settings.version = "1\n";
  }
  SUBCASE("root") {
    settings.root = long_text;
  }
  SUBCASE("block size") {
    settings.block_size = 255;
  }
  SUBCASE("window") {
    settings.window = 33;
  }
  SUBCASE("no way") {
    settings.blocks = false;
  }
  SUBCASE("no fetcher") {
    settings.https = true;
  }
  SUBCASE("memory for blocks") {
    settings.block_size = 8192;
    expected = Begin::too_little_memory;
  }
  SUBCASE("memory for messages") {
    settings.block_size = 256;
    memory.block_size = 1000;
    expected = Begin::too_little_memory;
  }
  SUBCASE("memory for the announce") {
    static const std::string feed(256, '\1');
    settings.feed = feed;
    memory.block_size = 1024;
    settings.block_size = 1024;
    expected = Begin::too_little_memory;
  }
  CHECK(Board(settings, ports, memory).begin() == expected);
}
