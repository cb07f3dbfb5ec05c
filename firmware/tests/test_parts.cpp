#include <doctest/doctest.h>

#include <set>

#include "bench.h"
#include "image_header.h"
#include "json.h"
#include "text.h"

using namespace mqtt_ota;

namespace {

bool is_json(std::string text) {
  return read_json_object(text.data(), text.size(), nullptr, 0);
}

std::string text_of(std::string json) {
  JsonField field;
  field.name = "a";
  if (!read_json_object(json.data(), json.size(), &field, 1) || field.kind != JsonKind::text) return "?";
  return std::string(field.value);
}

/// The blocks of a want.
std::set<uint32_t> blocks_of(const Want &want) {
  std::set<uint32_t> blocks;
  for (uint32_t place = 0; place < kMaxWanted; place++) {
    if (want.bitmap[place / 8] >> place % 8 & 1) blocks.insert(want.first + place);
  }
  return blocks;
}

}  // namespace

TEST_CASE("JSON that is one object is read") {
  CHECK(is_json("{}"));
  CHECK(is_json(" \t\r\n{ } "));
  CHECK(is_json(R"({"a":1,"b":-0.5e+10,"c":[true,false,null,[],{}],"d":{"e":"f"}})"));
  CHECK(is_json(R"({"a":[[[[[[[1]]]]]]]})"));
  for (const char *text : {"",
                           "[]",
                           "1",
                           "{",
                           "{}x",
                           "{}{}",
                           "{a:1}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":tru}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12g4\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"",
                           "{\"a\":\"\\",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":[[[[[[[[1]]]]]]]]}",
                           "{\"a\":[1}",
                           "{\"a\":[,]}",
                           "{\"a\":NaN}",
                           "\xef\xbb\xbf{}"}) {
    CAPTURE(text);
    CHECK_FALSE(is_json(text));
  }
}

TEST_CASE("texts of JSON are unescaped where they lie") {
  CHECK(text_of(R"({"a":"\"\\\/\b\f\n\r\t"})") == "\"\\/\b\f\n\r\t");
  CHECK(text_of(R"({"a":"\u0041\u00e9\u20AC\ud83d\ude00"})") == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK(text_of(R"({"\u0061":"x","b":"y"})") == "x");
  CHECK(text_of(R"({"a":"x","a":"y"})") == "y");
  CHECK(text_of(R"({"b":{"a":"x"}})") == "?");
  CHECK(text_of(R"({"a":null})") == "?");
  // Half a pair is no line of text for anybody.
  CHECK_FALSE(is_line(text_of(R"({"a":"\ud83d"})")));
  CHECK_FALSE(is_line(text_of(R"({"a":"\ud83d\u0041"})")));
  CHECK_FALSE(is_line(text_of(R"({"a":"\ude00\ud83d"})")));
}

TEST_CASE("UTF-8 is read strictly") {
  for (const char *text : {"a", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(utf8_length(text) == std::string(text).size());
  }
  for (const char *text : {"\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff"}) {
    CHECK(utf8_length(text) == 0);
  }
}

TEST_CASE("what does not fit is not written") {
  char small[8];
  TextWriter fits(small, sizeof(small));
  fits.put("1234567");
  CHECK(fits.written() == "1234567");
  CHECK(small[7] == '\0');
  fits.put("8");
  CHECK_FALSE(fits.is_whole());
  CHECK(fits.written().empty());
  char more[32];
  TextWriter quoted(more, sizeof(more));
  quoted.put_quoted("a\"\\\x01\n");
  CHECK(quoted.written() == "\"a\\\"\\\\\\u0001\\u000a\"");
  TextWriter numbers(more, sizeof(more));
  numbers.put(uint32_t{0});
  numbers.put(UINT32_MAX);
  CHECK(numbers.written() == "04294967295");
}

TEST_CASE("base64 of one length alone") {
  uint8_t bytes[4];
  CHECK(read_base64("AQIDBA==", bytes, 4));
  CHECK(bytes[3] == 4);
  CHECK(read_base64("//8=", bytes, 2));
  CHECK(bytes[1] == 255);
  for (const char *text : {"AQIDBA=", "AQIDBA", "AQIDBA=a", "AQIDBAA=", "AQ=DBA==", "AQI BA==", "AQIDB===", ""}) {
    CHECK_FALSE(read_base64(text, bytes, 4));
  }
}

TEST_CASE("a chip's image is only for that chip") {
  std::vector<uint8_t> app = make_app("1", 100);
  const auto boots = [&](const char *chip) { return is_bootable({app.data(), app.size()}, chip); };
  CHECK(boots("ESP32-C3"));
  CHECK_FALSE(boots("ESP32-S3"));
  CHECK(boots("ESP8266"));
  CHECK(boots("RP2040"));
  CHECK_FALSE(is_bootable({app.data(), 35}, "ESP32-C3"));
  CHECK_FALSE(is_bootable({}, "ESP8266"));
  app[1] = 17;
  CHECK_FALSE(boots("ESP32-C3"));
  app[1] = 2;
  app[32] = 0;
  CHECK_FALSE(boots("ESP32-C3"));
  app[0] = 0xEA;
  CHECK(boots("ESP8266"));
  app[0] = 0x1F;
  CHECK_FALSE(boots("ESP8266"));
  CHECK(boots("host"));
}

TEST_CASE("a bitmap with too little memory slides up, and is the same after a restart") {
  Power power;
  FakeStore store(power);
  Journal journal(store);
  for (const uint16_t chunks : {uint16_t{1}, uint16_t{2}, uint16_t{8}}) {
    constexpr uint32_t kCount = 1000;
    std::vector<uint8_t> bits(chunks * Held::kChunkBytes);
    Held held(bits.data(), chunks);
    held.reset(kCount);
    journal.keep_all(held);
    std::set<uint32_t> expected;
    uint32_t state = chunks;
    while (!held.is_whole()) {
      state = state * 1664525 + 1013904223;
      uint32_t number = state % (kCount + 10);
      if (state >> 31) number = held.next_missing(0);
      const bool can_take = held.can_take(number);
      held.add(number);
      if (can_take) {
        expected.insert(number);
        journal.keep(held, number);
      }
      REQUIRE(held.held() == expected.size());
      REQUIRE(held.has(number) == (expected.count(number) == 1));
    }
    CHECK(expected.size() == kCount);
    CHECK(held.next_missing(0) == kCount);
  }
}

TEST_CASE("what was kept of a bitmap is restored, wherever the power went") {
  Power power;
  FakeStore store(power);
  Journal journal(store);
  constexpr uint32_t kCount = 900;
  std::vector<uint8_t> bits(2 * Held::kChunkBytes);
  std::vector<uint8_t> other_bits(2 * Held::kChunkBytes, 0xFF);
  Held held(bits.data(), 2);
  Held restored(other_bits.data(), 2);
  held.reset(kCount, 3);
  journal.keep_all(held);
  for (uint32_t place = 0; !held.is_whole(); place++) {
    const uint32_t number = place % 3 == 0 ? held.next_missing(held.next_missing(0) + 1) : held.next_missing(0);
    held.add(number);
    journal.keep(held, number);
    journal.restore(kCount, &restored);
    for (uint32_t block = 0; block < kCount; block++) REQUIRE(restored.has(block) == held.has(block));
    REQUIRE(restored.held() == held.held());
  }
  // Nonsense in the store is not believed.
  store.values["held0"] = std::string("\xff\xff", 2) + std::string(32, '\xff');
  store.values["held1"] = "short";
  journal.restore(kCount, &restored);
  CHECK(restored.held() == 0);
}

TEST_CASE("a want asks for what is not on its way") {
  std::vector<uint8_t> bits(8 * Held::kChunkBytes);
  Held held(bits.data(), 8);
  held.reset(1000);
  Pull pull;
  Pull::Terms terms;
  terms.size = 1000 * 256;
  terms.block_size = 256;
  terms.window = 4;
  terms.timeout = 1000;
  uint32_t now = UINT32_MAX - 100;
  pull.begin(terms, now);
  Want want;
  const auto blocks = [&] { return pull.next(held, now, &want) ? blocks_of(want) : std::set<uint32_t>{}; };
  const auto take = [&](uint32_t number) {
    if (!pull.heard(number * 256, 256, held, now)) return false;
    held.add(number);
    return true;
  };
  using Blocks = std::set<uint32_t>;
  CHECK(blocks() == Blocks{0});
  CHECK(want.probe);
  CHECK(blocks() == Blocks{});
  CHECK(take(0));
  CHECK(blocks() == Blocks{1, 2, 3, 4});
  CHECK_FALSE(want.probe);
  CHECK(blocks() == Blocks{});
  CHECK(take(2));
  CHECK(blocks() == Blocks{});
  CHECK(take(3));
  CHECK(blocks() == Blocks{5, 6});
  // The later want's block tells that the earlier one's are lost.
  CHECK(take(5));
  CHECK(blocks() == Blocks{1, 4, 7});
  CHECK_FALSE(take(5));
  CHECK_FALSE(pull.heard(1, 256, held, now));
  CHECK_FALSE(pull.heard(256, 255, held, now));
  CHECK_FALSE(pull.heard(1000 * 256, 256, held, now));
  // Silence: everything again, with twice the patience each time, eight times at most.
  for (const uint32_t patience : {1000u, 2000u, 4000u, 8000u, 8000u}) {
    now += patience - 1;
    CHECK(blocks() == Blocks{});
    now += 1;
    CHECK(blocks() == Blocks{1, 4, 6, 7});
  }
  // Far apart: more than one want.
  held.reset(1000);
  for (uint32_t number = 0; number < 1000; number++) {
    if (number != 3 && number != 300 && number != 999) held.add(number);
  }
  pull.again(now);
  CHECK(blocks() == Blocks{3});
  CHECK(blocks() == Blocks{300});
  CHECK(blocks() == Blocks{999});
  CHECK(blocks() == Blocks{});
}
