#include "voice.h"

#include "text.h"

namespace mqtt_ota {

namespace {

constexpr size_t kMaxStatus = 512;
constexpr size_t kKeyId = 8;

/// Writes the elements of a JSON list.
class ListWriter {
 public:
  explicit ListWriter(TextWriter *into) : into_(into) {}

  void add(Text element) { next_().quoted(element); }
  void add_hex(Bytes bytes) { next_().text("\"").hex(bytes).text("\""); }
  void end() { into_->text(count_ == 0 ? "[]" : "]"); }

 private:
  TextWriter &next_() { return into_->text(count_++ == 0 ? "[" : ","); }

  TextWriter *into_;
  uint8_t count_ = 0;
};

void write_ways(const Settings &settings, TextWriter *json) {
  if (settings.blocks) {
    json->key("block_size").number(settings.block_size).key("window").number(settings.window);
    json->key("order").quoted(name_of(settings.order));
    ListWriter encodings(&json->key("encodings"));
    encodings.add("raw");
    if (settings.deflate) encodings.add("deflate");
    encodings.end();
  }
  ListWriter transports(&json->key("transports"));
  if (settings.blocks) transports.add(name_of(Transport::blocks));
  if (settings.http) transports.add(name_of(Transport::http));
  if (settings.https) transports.add(name_of(Transport::https));
  transports.end();
}

void write_keys(const Settings &settings, Crypto *crypto, TextWriter *json) {
  ListWriter keys(&json->key("keys"));
  for (size_t place = 0; place < settings.key_count; place++) {
    crypto->sha256_begin();
    crypto->sha256_update({settings.keys[place].data(), settings.keys[place].size()});
    keys.add_hex({crypto->sha256_finish().data(), kKeyId});
  }
  keys.end();
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
  TextWriter(topic.text, sizeof(topic.text))
      .text(settings_.root)
      .text("/board/")
      .text(settings_.id)
      .text("/")
      .text(kind);
  return topic;
}

Topic Voice::shared(const Tag &tag) const {
  Topic topic;
  TextWriter(topic.text, sizeof(topic.text)).text(settings_.root).text("/image/").hex({tag.data(), tag.size()});
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
  TextWriter json(scratch, size < kMaxAnnounce ? size : kMaxAnnounce);
  json.key("protocol").number(kProtocol).key("id").quoted(settings_.id);
  json.key("name").quoted(settings_.name.empty() ? settings_.id : settings_.name);
  json.key("model").quoted(settings_.model).key("chip").quoted(settings_.chip);
  json.key("project").quoted(settings_.project).key("version").quoted(settings_.version);
  json.key("mac").quoted(settings_.mac).key("slot_size").number(ports_.slot.capacity());
  write_ways(settings_, &json);
  write_keys(settings_, &ports_.crypto, &json);
  json.key("counter").number(counter).key("rollback").text(settings_.rollback ? "true" : "false");
  json.key("wake_interval").number(settings_.wake_interval);
  if (!settings_.feed.empty()) json.key("feed").quoted(settings_.feed);
  if (sha256.size > 0) json.key("sha256").text("\"").hex(sha256).text("\"");
  if (pending) json.key("pending").text("true");
  json.text("}");
  return json.written();
}

void Voice::say(Availability availability) const {
  ports_.broker.publish(own("availability").text, Bytes(Text(name_of(availability))), 1, true);
}

void Voice::say(const Status &status, uint16_t block_size) const {
  char text[kMaxStatus];
  char detail[kMaxDetail];
  TextWriter json(text, sizeof(text));
  json.key("session").text("\"").hex({status.session.data(), status.session.size()}).text("\"");
  json.key("state").quoted(name_of(status.state)).key("held").number(status.held);
  if (status.reason != Reason::none) json.key("reason").quoted(name_of(status.reason));
  if (!status.detail.empty()) json.key("detail").quoted(plain(status.detail, detail));
  json.text("}");
  ports_.broker.publish(own("status").text, Bytes(json.written()), 1, false);
  ports_.listener.on_status(status, block_size);
}

void Voice::ask(const Want &want) const {
  uint8_t payload[kMaxWant];
  ports_.broker.publish(own("want").text, {payload, write_want(want, payload)}, 0, false);
}

}  // namespace mqtt_ota
