#include "voice.h"

#include "text.h"

namespace mqtt_ota {

namespace {

constexpr size_t kMaxStatus = 512;
constexpr size_t kKeyId = 8;

struct Fact {
  const char *name;
  Text Settings::*text;
};

constexpr Fact kFacts[] = {
    {"id", &Settings::id},           {"model", &Settings::model},     {"chip", &Settings::chip},
    {"project", &Settings::project}, {"version", &Settings::version}, {"mac", &Settings::mac},
};

void write_ways(const Settings &settings, JsonWriter *json) {
  if (settings.blocks) {
    json->number("block_size", settings.block_size);
    json->number("window", settings.window);
    json->text("order", name_of(settings.order));
    json->begin_list("encodings");
    json->item("raw");
    if (settings.deflate) json->item("deflate");
    json->end_list();
  }
  json->begin_list("transports");
  if (settings.blocks) json->item(name_of(Transport::blocks));
  if (settings.http) json->item(name_of(Transport::http));
  if (settings.https) json->item(name_of(Transport::https));
  json->end_list();
}

bool write_keys(const Settings &settings, Crypto *crypto, JsonWriter *json) {
  json->begin_list("keys");
  for (size_t place = 0; place < settings.key_count; place++) {
    Sha256 sha256;
    if (!crypto->digest({settings.keys[place].data(), settings.keys[place].size()}, &sha256)) return false;
    json->hex_item({sha256.data(), kKeyId});
  }
  json->end_list();
  return true;
}

/// Cut a detail, and leave nothing in it that another program could stumble over.
Text plain(Text detail, char *into) {
  const Text cut = first(detail, kMaxDetail);
  for (size_t place = 0; place < cut.size(); place++) {
    into[place] = cut[place] >= 0x20 && cut[place] < 0x7F ? cut[place] : '?';
  }
  return {into, cut.size()};
}

}  // namespace

Topic Voice::own(const char *kind) const {
  Topic topic;
  TextWriter writer(topic.text, sizeof(topic.text));
  writer.put(settings_.root);
  writer.put("/board/");
  writer.put(settings_.id);
  writer.put("/");
  writer.put(kind);
  return topic;
}

Topic Voice::shared(const Tag &tag) const {
  Topic topic;
  TextWriter writer(topic.text, sizeof(topic.text));
  writer.put(settings_.root);
  writer.put("/image/");
  writer.put_hex({tag.data(), tag.size()});
  return topic;
}

Text Voice::kind_of(Text topic) const {
  const Topic beginning = own("");
  const Text own{beginning.text};
  return begins_with(topic, own) ? after(topic, own.size()) : Text{};
}

bool Voice::is_shared(Text topic) const {
  return begins_with(topic, settings_.root) && begins_with(after(topic, settings_.root.size()), "/image/");
}

bool Voice::announce(Bytes sha256, uint32_t counter, bool pending, char *scratch, size_t size) const {
  const Text announce = write_announce(sha256, counter, pending, scratch, size);
  if (announce.empty()) return false;
  ports_.broker.publish(own("announce").text, Bytes(announce), 1, true);
  ports_.listener.on_announce(pending);
  return true;
}

Text Voice::write_announce(Bytes sha256, uint32_t counter, bool pending, char *scratch, size_t size) const {
  JsonWriter json(scratch, size < kMaxAnnounce ? size : kMaxAnnounce);
  json.number("protocol", kProtocol);
  for (const Fact &fact : kFacts) json.text(fact.name, settings_.*fact.text);
  json.text("name", settings_.name.empty() ? settings_.id : settings_.name);
  json.number("slot_size", ports_.slot.capacity());
  write_ways(settings_, &json);
  // A list without its keys would say that the board takes what nobody signed.
  if (!write_keys(settings_, &ports_.crypto, &json)) return {};
  json.number("counter", counter);
  json.raw("rollback", settings_.rollback ? "true" : "false");
  json.number("wake_interval", settings_.wake_interval);
  if (!settings_.feed.empty()) json.text("feed", settings_.feed);
  if (sha256.size > 0) json.hex("sha256", sha256);
  if (pending) json.raw("pending", "true");
  return json.end();
}

void Voice::say(Availability availability) const {
  ports_.broker.publish(own("availability").text, Bytes(Text(name_of(availability))), 1, true);
}

void Voice::say(const Status &status, uint16_t block_size) const {
  char text[kMaxStatus];
  char detail[kMaxDetail];
  JsonWriter json(text, sizeof(text));
  json.hex("session", {status.session.data(), status.session.size()});
  json.text("state", name_of(status.state));
  json.number("held", status.held);
  if (status.reason != Reason::none) json.text("reason", name_of(status.reason));
  if (!status.detail.empty()) json.text("detail", plain(status.detail, detail));
  ports_.broker.publish(own("status").text, Bytes(json.end()), 1, false);
  ports_.listener.on_status(status, block_size);
}

void Voice::ask(const Want &want) const {
  uint8_t payload[kMaxWant];
  ports_.broker.publish(own("want").text, {payload, write_want(want, payload)}, 0, false);
}

}  // namespace mqtt_ota
