#include "protocol.h"

#include "text.h"

namespace mqtt_ota {

namespace {

template <typename Name, size_t count>
const char *pick(const char *const (&names)[count], Name name) {
  const auto place = static_cast<size_t>(name);
  return place < count ? names[place] : "";
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
  return is_word(id, kMaxText, "_.-") && id != "." && id != "..";
}

}  // namespace mqtt_ota
