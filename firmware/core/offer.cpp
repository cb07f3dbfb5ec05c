#include "offer.h"

#include "json.h"
#include "text.h"

namespace mqtt_ota {

namespace {

enum Name : uint8_t {
  kSession,
  kProtocolField,
  kManifest,
  kSignature,
  kTransport,
  kTopic,
  kBlockSize,
  kWindow,
  kUrl,
  kNames
};

constexpr const char *kFieldNames[kNames] = {"session", "protocol",   "manifest", "signature", "transport",
                                             "topic",   "block_size", "window",   "url"};

bool read_session(const JsonField &field, Session *session) {
  return field.kind == JsonKind::text && read_hex(field.value, session->data(), session->size());
}

bool read_integer(const JsonField &field, uint32_t low, uint32_t high, uint32_t *number) {
  return field.kind == JsonKind::number && read_decimal(field.value, number) && *number >= low && *number <= high;
}

bool read_transport(const JsonField &field, Transport *transport) {
  if (field.kind != JsonKind::text) return false;
  for (const Transport one : {Transport::blocks, Transport::http, Transport::https}) {
    if (field.value != name_of(one)) continue;
    *transport = one;
    return true;
  }
  return false;
}

/// Whether a URL is of the scheme of its transport, with a host and nothing that ends a line of a request.
bool is_url(Text url, Text scheme) {
  if (!begins_with(url, scheme) || !begins_with(after(url, scheme.size()), "://")) return false;
  for (const char c : url) {
    if (static_cast<uint8_t>(c) <= 0x20 || c == 0x7F) return false;
  }
  return url.size() > scheme.size() + 3;
}

/// Return what is wrong with the terms of blocks.
const char *read_blocks(const JsonField *fields, Offer *offer) {
  uint32_t block_size = 0;
  uint32_t window = 0;
  if (fields[kTopic].kind != JsonKind::text) return "topic";
  if (!read_integer(fields[kBlockSize], kMinBlockSize, kMaxBlockSize, &block_size)) return "block_size";
  if (!read_integer(fields[kWindow], 1, kMaxWindow, &window)) return "window";
  offer->topic = fields[kTopic].value;
  offer->block_size = static_cast<uint16_t>(block_size);
  offer->window = static_cast<uint16_t>(window);
  return nullptr;
}

const char *read_way(const JsonField *fields, Offer *offer) {
  if (!read_transport(fields[kTransport], &offer->transport)) return "transport";
  if (offer->transport == Transport::blocks) return read_blocks(fields, offer);
  if (fields[kUrl].kind != JsonKind::text || !is_url(fields[kUrl].value, name_of(offer->transport))) return "url";
  offer->url = fields[kUrl].value;
  return nullptr;
}

const char *read_fields(const JsonField *fields, Offer *offer) {
  uint32_t protocol = 0;
  if (!read_integer(fields[kProtocolField], kProtocol, kProtocol, &protocol)) return "protocol";
  if (fields[kManifest].kind != JsonKind::text) return "manifest";
  offer->manifest_text = fields[kManifest].value;
  if (!read_manifest(offer->manifest_text, &offer->manifest)) return "manifest";
  const JsonField &signature = fields[kSignature];
  if (signature.kind != JsonKind::absent && signature.kind != JsonKind::text) return "signature";
  offer->is_signed = signature.kind == JsonKind::text &&
                     read_base64(signature.value, offer->signature.data(), offer->signature.size());
  return read_way(fields, offer);
}

}  // namespace

Reading read_offer(char *payload, size_t size, Offer *offer, const char **detail) {
  JsonField fields[kNames];
  for (size_t place = 0; place < kNames; place++) fields[place].name = kFieldNames[place];
  if (size > kMaxOffer || !read_json_object(payload, size, fields, kNames)) return Reading::nobody;
  if (!read_session(fields[kSession], &offer->session)) return Reading::nobody;
  *detail = read_fields(fields, offer);
  return *detail == nullptr ? Reading::good : Reading::invalid;
}

bool read_cancel(char *payload, size_t size, Session *session) {
  JsonField field;
  field.name = kFieldNames[kSession];
  return size <= kMaxOffer && read_json_object(payload, size, &field, 1) && read_session(field, session);
}

}  // namespace mqtt_ota
