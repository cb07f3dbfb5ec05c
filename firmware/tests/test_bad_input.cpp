#include <doctest/doctest.h>

#include "bench.h"

using namespace mqtt_ota;
using Strings = std::vector<std::string>;

// What fails or lies, and what nobody should have said.

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 50000);

}  // namespace

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
