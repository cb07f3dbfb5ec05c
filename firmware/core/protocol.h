#pragma once

#include <array>

#include "bytes.h"

// The numbers and names of the native protocol, version 1, as PROTOCOL.md has them.
namespace mqtt_ota {

constexpr uint32_t kProtocol = 1;
constexpr uint16_t kMinBlockSize = 256;
constexpr uint16_t kMaxBlockSize = 16384;
constexpr uint16_t kMaxWindow = 256;
constexpr uint32_t kMaxWanted = 256;
constexpr size_t kMaxText = 64;
constexpr size_t kMaxOffer = 1024;
constexpr size_t kMaxAnnounce = 2048;
constexpr size_t kMaxDetail = 128;
constexpr size_t kMaxRoot = 64;
constexpr size_t kMaxTopic = kMaxRoot + sizeof("/board//availability") + kMaxText;

// Aligned, so that they are copied by words.
struct alignas(4) Session : std::array<uint8_t, 8> {};
struct alignas(4) Tag : std::array<uint8_t, 8> {};
struct alignas(4) Sha256 : std::array<uint8_t, 32> {};
struct alignas(4) Signature : std::array<uint8_t, 64> {};
/// An uncompressed point of P-256: 4, x, y.
using PublicKey = std::array<uint8_t, 65>;

enum class Transport : uint8_t { blocks, http, https };

enum class Order : uint8_t { any, sequential };

enum class Availability : uint8_t { online, offline, asleep };

enum class State : uint8_t {
  accepted,
  transferring,
  verifying,
  rebooting,
  confirmed,
  rolled_back,
  failed,
  cancelled,
};

enum class Reason : uint8_t {
  none,
  offer_invalid,
  model,
  chip,
  size,
  counter,
  signature,
  already_running,
  busy,
  flash,
  digest,
  image,
  transport,
  timeout,
  boot,
  self_test,
};

const char *name_of(Transport transport);
const char *name_of(Order order);
const char *name_of(Availability availability);
const char *name_of(State state);
/// The empty text for `none`.
const char *name_of(Reason reason);

struct Status {
  Session session;
  State state;
  uint32_t held = 0;
  Reason reason = Reason::none;
  Text detail;
};

inline Tag tag_of(const Sha256 &sha256) {
  Tag tag;
  memcpy(tag.data(), sha256.data(), tag.size());
  return tag;
}

inline uint32_t block_count(uint32_t size, uint16_t block_size) {
  return size / block_size + (size % block_size != 0 ? 1 : 0);
}

/// The bytes of block `number`: less than `block_size` for the last one, 0 beyond it.
inline uint32_t block_length(uint32_t number, uint32_t size, uint16_t block_size) {
  const uint64_t offset = uint64_t{number} * block_size;
  if (offset >= size) return 0;
  const auto rest = static_cast<uint32_t>(size - offset);
  return rest < block_size ? rest : block_size;
}

/// Whether a text can be a board's id, and so part of a topic.
bool is_board_id(Text id);

}  // namespace mqtt_ota
