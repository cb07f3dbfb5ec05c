#include "bench.h"

#include <algorithm>

#include "crc32.h"
#include "text.h"

using namespace mqtt_ota;

std::vector<uint8_t> make_app(const std::string &version, size_t size, uint32_t seed) {
  std::vector<uint8_t> app(size);
  uint32_t state = seed * 2654435761U + 12345;
  for (auto &byte : app) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  const std::vector<uint8_t> head = {0xE9, 2, 2, 0x1F, 0, 0, 0x38, 0x40, 0xEE, 0, 0, 0, 5, 0, 0, 0,
                                     0,    0, 0, 0,    0, 0, 0,    0,    0,    0, 0, 0, 0, 0, 0, 0};
  const std::vector<uint8_t> magic = {0x32, 0x54, 0xCD, 0xAB};
  std::copy(head.begin(), head.end(), app.begin());
  std::copy(magic.begin(), magic.end(), app.begin() + 32);
  std::fill_n(app.begin() + 48, 32, uint8_t{0});
  std::copy(version.begin(), version.end(), app.begin() + 48);
  return app;
}

std::string hex_of(Bytes bytes) {
  std::string hex;
  for (size_t place = 0; place < bytes.size; place++) {
    hex += "0123456789abcdef"[bytes.data[place] >> 4];
    hex += "0123456789abcdef"[bytes.data[place] & 15];
  }
  return hex;
}

std::string field_of(const std::string &json, const std::string &key) {
  const size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) return "";
  size_t begin = at + key.size() + 3;
  const bool is_text = json[begin] == '"';
  if (is_text) begin++;
  return json.substr(begin, json.find_first_of(is_text ? "\"" : ",}", begin) - begin);
}

std::string frame_of(const std::vector<uint8_t> &image, uint32_t offset, size_t length) {
  return frame_of(image, sha256_of(image), offset, length);
}

std::string frame_of(const std::vector<uint8_t> &image, const Sha256 &sha256, uint32_t offset, size_t length) {
  Crc32 crc;
  crc.add({image.data() + offset, length});
  uint8_t header[kFrameHeader] = {1, 0};
  std::copy_n(sha256.begin(), 8, header + 2);
  put_u32(header + 10, offset);
  put_u16(header + 14, static_cast<uint16_t>(length));
  put_u32(header + 16, crc.value());
  const std::string head(header, header + sizeof(header));
  return head + std::string(reinterpret_cast<const char *>(image.data()) + offset, length);
}

Bench::Bench(size_t slot_size) : flash(power, slot_size) {
  settings.id = "relay-1";
  settings.model = "relay";
  settings.chip = "ESP32-C3";
  settings.http = true;
  settings.ask_timeout = 1000;
  flash.flash_by_cable(make_app("1.0.0", 4096, 99));
}

void Bench::power_on(bool broken) {
  power.on = true;
  board.reset();
  flash.boot(broken);
  version_ = running_version();
  settings.version = version_;
  // What a life finds in its memory is anything.
  block_.assign(memory_size, 0xA5);
  held_.assign(chunks * size_t{Held::kChunkBytes}, 0xA5);
  const Ports ports{flash, flash, crypto, clock, store, broker, listener, &fetcher};
  board = std::make_unique<Board>(settings, ports, Memory{block_.data(), block_.size(), held_.data(), chunks});
  fetcher.runs = false;
  board->begin();
  connect();
}

void Bench::connect() {
  broker.subscribed.clear();
  board->connected();
}

void Bench::say(const std::string &topic, const std::string &payload) {
  if (!power.on || broker.subscribed.count(topic) == 0) return;
  if (piece == 0) {
    board->received(topic, Bytes(Text(payload)));
    return;
  }
  board->message(topic, payload.size());
  for (size_t at = 0; at < payload.size(); at += piece) board->piece(Bytes(Text(payload)).after(at).first(piece));
}

std::string Bench::manifest_of(const std::vector<uint8_t> &image, const Terms &terms) const {
  const Sha256 sha256 = sha256_of(image);
  return "mqtt_ota 1\nmodel=" + terms.model + "\nchip=" + terms.chip + "\nversion=" + terms.version +
         "\nsize=" + std::to_string(terms.size > 0 ? terms.size : image.size()) +
         "\nsha256=" + hex_of({sha256.data(), sha256.size()}) + "\ncounter=" + std::to_string(terms.counter) + "\n";
}

std::string Bench::offer_text(const std::vector<uint8_t> &image, const Terms &terms) const {
  char text[2048];
  JsonWriter json(text, sizeof(text));
  json.number("protocol", 1);
  json.text("session", terms.session);
  json.text("manifest", manifest_of(image, terms));
  json.text("transport", terms.transport);
  if (!terms.signature.empty()) json.text("signature", terms.signature);
  if (terms.transport == "blocks") {
    json.text("topic", terms.topic.empty() ? own("block") : terms.topic);
    json.number("block_size", terms.block_size);
    json.number("window", terms.window);
  } else {
    json.text("url", terms.url);
  }
  return std::string(json.end());
}

void Bench::offer(const std::vector<uint8_t> &image, const Terms &terms) {
  image_ = image;
  image_sha256_ = sha256_of(image);
  offer_ = offer_text(image, terms);
  frames_topic_ = terms.topic.empty() ? own("block") : terms.topic;
  say(own("offer"), offer_);
}

void Bench::cancel(const std::string &session) {
  offer_.clear();
  say(own("cancel"), "{\"session\":\"" + session + "\"}");
}

void Bench::run(uint32_t seconds) {
  const uint32_t end = clock.time + seconds * 1000;
  while (power.on && static_cast<int32_t>(end - clock.time) > 0) step_();
}

bool Bench::run_until(const std::string &state, uint32_t seconds) {
  const uint32_t end = clock.time + seconds * 1000;
  while (power.on && static_cast<int32_t>(end - clock.time) > 0) {
    if (field_of(last_status(), "state") == state) return true;
    step_();
  }
  return field_of(last_status(), "state") == state;
}

void Bench::step_() {
  if (flash.restarts > 0 && restarts_by_itself) {
    flash.restarts = 0;
    power_on(new_image_is_broken);
  } else if (!broker.unheard.empty()) {
    const Message message = broker.unheard.front();
    broker.unheard.pop_front();
    hear_(message);
  } else if (fetcher.runs) {
    serve_url_();
  } else {
    clock.time += std::max<uint32_t>(board->idle_time(), 1);
    board->loop();
  }
}

void Bench::hear_(const Message &message) {
  if (message.topic == own("want")) {
    answer_(message.payload);
  } else if (message.topic == own("availability") && message.payload == "online" && !offer_.empty() && offers_again) {
    say(own("offer"), offer_);
  } else if (message.topic == own("status")) {
    const std::string state = field_of(message.payload, "state");
    if (state == "confirmed" || state == "rolled_back" || state == "cancelled") offer_.clear();
  }
}

void Bench::answer_(const std::string &want) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(want.data());
  const uint32_t block_size = get_u16(bytes + 10);
  const uint32_t first = get_u32(bytes + 12);
  for (uint32_t place = 0; place < 8 * (want.size() - kWantHeader); place++) {
    if (!(bytes[kWantHeader + place / 8] >> place % 8 & 1)) continue;
    const uint32_t offset = (first + place) * block_size;
    const size_t length = std::min<size_t>(block_size, image_.size() - offset);
    frames++;
    for (const std::string &arrived : way(frame_of(image_, image_sha256_, offset, length))) say(frames_topic_, arrived);
  }
}

void Bench::serve_url_() {
  if (fetcher.at >= image_.size()) {
    fetcher.runs = false;
    board->fetch_failed("too short");
    return;
  }
  const size_t length = std::min<size_t>(1000, image_.size() - fetcher.at);
  const uint32_t at = fetcher.at;
  fetcher.at += static_cast<uint32_t>(length);
  board->fetched({image_.data() + at, length});
}

std::vector<std::string> Bench::said(const std::string &kind) const {
  std::vector<std::string> payloads;
  for (const Message &message : broker.said) {
    if (message.topic == own(kind)) payloads.push_back(message.payload);
  }
  return payloads;
}

std::vector<std::string> Bench::states() const {
  std::vector<std::string> states;
  for (const std::string &status : said("status")) {
    const std::string state = field_of(status, "state");
    if (states.empty() || states.back() != state) states.push_back(state);
  }
  return states;
}

std::string Bench::last_status() const {
  for (auto message = broker.said.rbegin(); message != broker.said.rend(); ++message) {
    if (message->topic == own("status")) return message->payload;
  }
  return "";
}

std::string Bench::running_version() const {
  const auto &slot = flash.slot(flash.running());
  return reinterpret_cast<const char *>(slot.data()) + 48;
}
