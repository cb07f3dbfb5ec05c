#include <doctest/doctest.h>

#include "bench.h"
#include "crc32.h"
#include "journal.h"

using namespace mqtt_ota;

// What a board stands on does not do what it should.

namespace {

const std::vector<uint8_t> kImage = make_app("1.1.0", 20000);

/// A store that refuses some values while it is told to.
class PickyStore final : public Store {
 public:
  explicit PickyStore(FakeStore &store) : store_(store) {}
  size_t get(const char *name, uint8_t *into, size_t size) override { return store_.get(name, into, size); }
  bool put(const char *name, Bytes value) override {
    return (refused.empty() || std::string(name).rfind(refused, 0) != 0) && store_.put(name, value);
  }
  bool erase(const char *name) override { return store_.erase(name); }

  std::string refused;

 private:
  FakeStore &store_;
};

uint32_t version_crc(const char *version) {
  Crc32 crc;
  crc.add(Bytes(Text(version)));
  return crc.value();
}

Terms by_url() {
  Terms terms;
  terms.transport = "http";
  return terms;
}

/// How a board with these settings and so much memory begins, now.
Begin begin(Bench *bench, size_t memory_size) {
  std::vector<uint8_t> block(memory_size);
  uint8_t held[Held::kChunkBytes];
  const Ports ports{bench->flash, bench->flash,  bench->crypto,   bench->clock,
                    bench->store, bench->broker, bench->listener, &bench->fetcher};
  return Board(bench->settings, ports, {block.data(), block.size(), held, 1}).begin();
}

}  // namespace

TEST_CASE("a digest that cannot be made is no valid signature") {
  PublicKey key{};
  Bench bench;
  bench.settings.keys = &key;
  bench.settings.key_count = 1;
  bench.power_on();
  bench.crypto.fails = true;
  // Of a digest that is all zeros anybody can make a signature.
  Terms terms;
  terms.signature = std::string(86, 'A') + "==";
  bench.offer(kImage, terms);
  CHECK(field_of(bench.last_status(), "reason") == "signature");
}

TEST_CASE("a slot whose digest cannot be made is not started") {
  Bench bench;
  bench.power_on();
  bench.crypto.fails = true;
  bench.offer(kImage);
  CHECK(bench.run_until("failed"));
  CHECK(field_of(bench.last_status(), "reason") == "digest");
  CHECK(bench.running_version() == "1.0.0");
}

TEST_CASE("a board that cannot tell its keys says nothing rather than that it has none") {
  PublicKey key{};
  Bench bench;
  bench.settings.keys = &key;
  bench.settings.key_count = 1;
  bench.power_on();
  const size_t announces = bench.said("announce").size();
  bench.crypto.fails = true;
  bench.connect();
  CHECK(bench.said("announce").size() == announces);
  CHECK(begin(&bench, 4096) == Begin::broken_crypto);
}

TEST_CASE("a board that begins can announce all that it will ever be") {
  const PublicKey keys[13] = {};
  int good = 0;
  for (size_t length = 0; length <= 256; length++) {
    CAPTURE(length);
    const std::string feed(length, 'f');
    const std::string name(64, 'n');
    Bench bench;
    bench.memory_size = kMaxOffer;
    bench.settings.block_size = 1024;
    bench.settings.name = bench.settings.project = bench.settings.mac = name;
    bench.settings.feed = feed;
    bench.settings.version = "1.0.0";
    bench.settings.keys = keys;
    bench.settings.key_count = 13;
    if (begin(&bench, kMaxOffer) != Begin::good) continue;
    good++;
    bench.power_on();
    // What it has kept of an image that was confirmed makes the announce longer.
    Journal(bench.store).write(Running{sha256_of(kImage), version_crc("1.0.0"), bench.flash.running()});
    Journal(bench.store).write_counter(UINT32_MAX);
    CHECK(begin(&bench, kMaxOffer) == Begin::good);
    bench.power_on();
    REQUIRE(bench.said("announce").size() == 2);
    CHECK(field_of(bench.said("announce").back(), "sha256") != "");
  }
  CHECK(good > 0);
  CHECK(good < 257);
}

TEST_CASE("blocks are not believed to be there because those of another image were") {
  Bench bench;
  PickyStore store(bench.store);
  std::vector<uint8_t> block(4096);
  uint8_t held[Held::kChunkBytes];
  const Ports ports{bench.flash, bench.flash, bench.crypto, bench.clock, store, bench.broker, bench.listener};
  const auto live = [&] {
    bench.broker.subscribed.clear();
    bench.board = std::make_unique<Board>(bench.settings, ports, Memory{block.data(), block.size(), held, 1});
    bench.board->begin();
    bench.board->connected();
  };
  bench.power_on();
  bench.settings.http = false;
  live();
  bench.offer(kImage);
  bench.say(bench.own("block"), frame_of(kImage, 0, 4096));
  bench.say(bench.own("block"), frame_of(kImage, 4096, 4096));
  bench.cancel();
  // From here on the store takes no bitmap.
  store.refused = "held";
  const std::vector<uint8_t> other = make_app("1.2.0", 20000, 5);
  Terms terms;
  terms.session = kOtherSession;
  bench.offer(other, terms);
  bench.say(bench.own("block"), frame_of(other, 8192, 4096));
  live();
  bench.broker.unheard.clear();
  bench.offer(other, terms);
  CHECK(field_of(bench.last_status(), "held") == "0");
}

TEST_CASE("a store that is full fails an update before the boot loader hears of it") {
  Bench bench;
  bench.power_on();
  bench.offer(kImage, by_url());
  bench.store.full = true;
  CHECK(bench.run_until("failed"));
  CHECK(field_of(bench.last_status(), "reason") == "flash");
  bench.store.full = false;
  bench.power_on();
  CHECK(bench.running_version() == "1.0.0");
}
