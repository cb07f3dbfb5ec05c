#include "protocol.h"

namespace mqtt_ota {

namespace {

template <typename Name, size_t count>
const char *pick(const char *const (&names)[count], Name name) {
  const auto place = static_cast<size_t>(name);
  return place < count ? names[place] : "";
}

bool is_id_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

}  // namespace

const char *name_of(Transport transport) {
  static const char *const names[] = {"blocks", "http", "https"};
  return pick(names, transport);
}

const char *name_of(Order order) {
  static const char *const names[] = {"any", "sequential"};
  return pick(names, order);
}

const char *name_of(Availability availability) {
  static const char *const names[] = {"online", "offline", "asleep"};
  return pick(names, availability);
}

const char *name_of(State state) {
  static const char *const names[] = {"accepted",  "transferring", "verifying", "rebooting",
                                      "confirmed", "rolled_back",  "failed",    "cancelled"};
  return pick(names, state);
}

const char *name_of(Reason reason) {
  static const char *const names[] = {"",          "offer_invalid",   "model", "chip",     "size",   "counter",
                                      "signature", "already_running", "busy",  "flash",    "digest", "image",
                                      "transport", "timeout",         "boot",  "self_test"};
  return pick(names, reason);
}

bool is_board_id(Text id) {
  if (id.empty() || id.size() > kMaxText || id == "." || id == "..") return false;
  for (const char c : id) {
    if (!is_id_character(c)) return false;
  }
  return true;
}

}  // namespace mqtt_ota
