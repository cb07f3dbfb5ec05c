#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mqtt_ota {

using Text = std::string_view;

// What the library does for these it does with exceptions.
inline bool begins_with(Text text, Text beginning) {
  return text.size() >= beginning.size() && memcmp(text.data(), beginning.data(), beginning.size()) == 0;
}
inline Text after(Text text, size_t count) {
  return count < text.size() ? Text{text.data() + count, text.size() - count} : Text{};
}
inline Text first(Text text, size_t count) {
  return {text.data(), count < text.size() ? count : text.size()};
}

/// Bytes that somebody else owns.
struct Bytes {
  const uint8_t *data = nullptr;
  size_t size = 0;

  constexpr Bytes() = default;
  constexpr Bytes(const uint8_t *begin, size_t length) : data(begin), size(length) {}
  explicit Bytes(Text text) : data(reinterpret_cast<const uint8_t *>(text.data())), size(text.size()) {}

  Bytes first(size_t count) const { return {data, count < size ? count : size}; }
  Bytes after(size_t count) const { return count < size ? Bytes{data + count, size - count} : Bytes{}; }
  Text text() const { return {reinterpret_cast<const char *>(data), size}; }
};

// What travels and what is kept is little-endian.
inline uint16_t get_u16(const uint8_t *from) {
  return static_cast<uint16_t>(from[0] | from[1] << 8);
}
inline uint32_t get_u32(const uint8_t *from) {
  return get_u16(from) | static_cast<uint32_t>(get_u16(from + 2)) << 16;
}
inline void put_u16(uint8_t *into, uint16_t number) {
  into[0] = static_cast<uint8_t>(number);
  into[1] = static_cast<uint8_t>(number >> 8);
}
inline void put_u32(uint8_t *into, uint32_t number) {
  put_u16(into, static_cast<uint16_t>(number));
  put_u16(into + 2, static_cast<uint16_t>(number >> 16));
}

}  // namespace mqtt_ota
