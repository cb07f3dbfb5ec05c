#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "bench.h"
#include "frame.h"
#include "image_header.h"
#include "text.h"

using namespace mqtt_ota;
using nlohmann::json;

// The vectors that the integration is tested against too.

namespace {

const json &golden() {
  static const json vectors = json::parse(std::ifstream(MQTT_OTA_GOLDEN));
  return vectors;
}

std::vector<uint8_t> bytes_of(const json &hex) {
  const auto text = hex.get<std::string>();
  std::vector<uint8_t> bytes(text.size() / 2);
  REQUIRE(read_hex(text, bytes.data(), bytes.size()));
  return bytes;
}

/// The golden board, running what the vectors say.
class GoldenBench : public Bench {
 public:
  explicit GoldenBench(const json &changes) : Bench(golden()["board"]["slot_size"].get<size_t>()) {
    const json &facts = golden()["board"];
    settings.block_size = facts["block_size"].get<uint16_t>();
    settings.counter = facts["counter"].get<uint32_t>();
    if (changes.contains("keys") && !changes["keys"].empty()) {
      settings.keys = &key_;
      settings.key_count = 1;
    }
    const std::vector<uint8_t> point = bytes_of(golden()["key"]["public_point"]);
    std::copy(point.begin(), point.end(), key_.begin());
    const json running = changes.value("running_sha256", facts["running_sha256"]);
    Running record;
    const std::vector<uint8_t> sha256 = bytes_of(running);
    std::copy(sha256.begin(), sha256.end(), record.sha256.begin());
    power_on();
    Crc32 version;
    version.add(Bytes(settings.version));
    record.version = version.value();
    Journal(store).write(record);
    broker.said.clear();
  }

 private:
  PublicKey key_;
};

}  // namespace

TEST_CASE("golden ids") {
  for (const json &id : golden()["ids"]["valid"]) CHECK(is_board_id(id.get<std::string>()));
  for (const json &id : golden()["ids"]["invalid"]) CHECK_FALSE(is_board_id(id.get<std::string>()));
}

TEST_CASE("golden topics") {
  Bench bench;
  const Ports ports{bench.flash, bench.flash,  bench.crypto,   bench.clock,
                    bench.store, bench.broker, bench.listener, nullptr};
  const Voice voice(bench.settings, ports);
  for (const auto &[kind, topic] : golden()["topics"].items()) {
    if (kind == "image") continue;
    CHECK(std::string(voice.own(kind.c_str()).text) == topic.get<std::string>());
    CHECK(voice.kind_of(topic.get<std::string>()) == kind);
  }
  Tag tag;
  REQUIRE(read_hex(golden()["image"]["tag"].get<std::string>(), tag.data(), tag.size()));
  CHECK(std::string(voice.shared(tag).text) == golden()["topics"]["image"].get<std::string>());
  CHECK(voice.is_shared(golden()["topics"]["image"].get<std::string>()));
  CHECK_FALSE(voice.is_shared(golden()["topics"]["block"].get<std::string>()));
}

TEST_CASE("golden cuts") {
  for (const json &cut : golden()["cuts"]) {
    const auto size = cut["size"].get<uint32_t>();
    const auto block_size = cut["block_size"].get<uint16_t>();
    CHECK(block_count(size, block_size) == cut["blocks"]);
    CHECK(block_length(cut["blocks"].get<uint32_t>() - 1, size, block_size) == cut["last"]);
    CHECK(block_length(cut["blocks"].get<uint32_t>(), size, block_size) == 0);
  }
}

TEST_CASE("golden image") {
  const std::vector<uint8_t> image = bytes_of(golden()["image"]["bytes"]);
  CHECK(is_bootable({image.data(), image.size()}, golden()["image"]["chip"].get<std::string>()));
  CHECK_FALSE(is_bootable({image.data(), image.size()}, "ESP32"));
  const Sha256 sha256 = sha256_of(image);
  CHECK(hex_of({sha256.data(), sha256.size()}) == golden()["image"]["sha256"].get<std::string>());
}

TEST_CASE("golden manifests") {
  for (const json &vector : golden()["manifests"]["valid"]) {
    const auto text = vector["text"].get<std::string>();
    const json &fields = vector["fields"];
    Manifest manifest;
    REQUIRE(read_manifest(text, &manifest));
    CHECK(manifest.model == fields["model"].get<std::string>());
    CHECK(manifest.chip == fields["chip"].get<std::string>());
    CHECK(manifest.version == fields["version"].get<std::string>());
    CHECK(manifest.size == fields["size"]);
    CHECK(manifest.counter == fields["counter"]);
    CHECK(hex_of({manifest.sha256.data(), manifest.sha256.size()}) == fields["sha256"].get<std::string>());
  }
  for (const json &vector : golden()["manifests"]["invalid"]) {
    const auto text = vector["text"].get<std::string>();
    Manifest manifest;
    CAPTURE(text);
    CHECK_FALSE(read_manifest(text, &manifest));
  }
}

TEST_CASE("golden offers") {
  // The signatures are the real key's, which the bench's crypto does not know: test_mbedtls.cpp judges them.
  for (const json &vector : golden()["offers"]["taken"]) {
    if (vector["board"].contains("keys")) continue;
    GoldenBench bench(vector["board"]);
    bench.say(bench.own("offer"), vector["payload"].get<std::string>());
    CHECK(field_of(bench.last_status(), "state") == "accepted");
  }
  for (const json &vector : golden()["offers"]["refused"]) {
    GoldenBench bench(vector["board"]);
    CAPTURE(vector.dump());
    bench.say(bench.own("offer"), vector["payload"].get<std::string>());
    CHECK(field_of(bench.last_status(), "reason") == vector["reason"].get<std::string>());
    CHECK(bench.flash.begun == 0);
  }
  for (const json &payload : golden()["offers"]["dropped"]) {
    GoldenBench bench(json::object());
    bench.say(bench.own("offer"), payload.get<std::string>());
    CHECK(bench.said("status").empty());
    CHECK(bench.listener.dropped.size() == 1);
  }
}

TEST_CASE("golden cancels") {
  for (const json &payload : golden()["cancels"]["valid"]) {
    auto text = payload.get<std::string>();
    Session session;
    CHECK(read_cancel(text.data(), text.size(), &session));
  }
  for (const json &payload : golden()["cancels"]["dropped"]) {
    auto text = payload.get<std::string>();
    Session session;
    CHECK_FALSE(read_cancel(text.data(), text.size(), &session));
  }
}

TEST_CASE("golden wants") {
  for (const json &vector : golden()["wants"]["valid"]) {
    Want want;
    REQUIRE(read_hex(vector["tag"].get<std::string>(), want.tag.data(), want.tag.size()));
    want.block_size = vector["block_size"].get<uint16_t>();
    want.probe = vector["probe"].get<bool>();
    want.first = vector["first"].get<uint32_t>();
    for (const json &block : vector["blocks"]) {
      const uint32_t place = block.get<uint32_t>() - want.first;
      want.bitmap[place / 8] |= static_cast<uint8_t>(1 << place % 8);
    }
    uint8_t written[kMaxWant];
    std::string hex = hex_of({written, write_want(want, written)});
    // A longer bitmap is valid too; this writer's ends with its last block.
    hex.resize(vector["payload"].get<std::string>().size(), '0');
    CHECK(hex == vector["payload"].get<std::string>());
  }
}

TEST_CASE("golden frames") {
  // In every size of pieces: what is decoded must not depend on how it came.
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{20}, size_t{64}, size_t{20000}}) {
    const auto read = [&](const std::vector<uint8_t> &payload, FrameReader *reader, uint8_t *into) {
      reader->begin(payload.size(), into, kMaxBlockSize);
      auto result = payload.empty() ? reader->feed({}) : FrameReader::Result::more;
      Bytes rest{payload.data(), payload.size()};
      while (rest.size > 0 && result == FrameReader::Result::more) {
        result = reader->feed(rest.first(piece));
        rest = rest.after(piece);
      }
      return result;
    };
    std::vector<uint8_t> block(kMaxBlockSize);
    FrameReader reader;
    for (const json &vector : golden()["frames"]["valid"]) {
      REQUIRE(read(bytes_of(vector["payload"]), &reader, block.data()) == FrameReader::Result::done);
      const Tag tag = reader.tag();
      CHECK(hex_of({tag.data(), tag.size()}) == vector["tag"].get<std::string>());
      CHECK(reader.offset() == vector["offset"]);
      CHECK(hex_of(reader.block()) == vector["block"].get<std::string>());
    }
    for (const json &vector : golden()["frames"]["invalid"]) {
      CAPTURE(vector.dump());
      CHECK(read(bytes_of(vector["payload"]), &reader, block.data()) == FrameReader::Result::bad);
      CHECK(std::string(reader.cause()).find(vector["cause"].get<std::string>()) != std::string::npos);
    }
  }
}

TEST_CASE("golden announce") {
  const json &vector = golden()["announces"]["valid"][0];
  const json &fields = vector["fields"];
  Bench bench(golden()["board"]["slot_size"].get<size_t>());
  const auto name = fields["name"].get<std::string>();
  const auto mac = fields["mac"].get<std::string>();
  bench.settings.name = name;
  bench.settings.project = "golden";
  bench.settings.mac = mac;
  bench.settings.counter = fields["counter"].get<uint32_t>();
  bench.power_on();
  CHECK(json::parse(bench.said("announce")[0]) == fields);
}
