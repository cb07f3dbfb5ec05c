#pragma once
// What ESPHome's headers name of it.
#include <cstddef>
struct JsonObject {};
struct JsonObjectConst {
  JsonObjectConst(JsonObject);
};
struct JsonString {
  JsonString(const char *, std::size_t, bool);
};
struct JsonVariant {
  template <typename T>
  bool set(T);
};
