#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

// What a board stands on, on a PC. A life of the board is a process of its own; what outlives it lies in memory that
// all lives share: flash, NVS, the boot loader's choice, and the house on the other side of the broker.
namespace world {

constexpr uint32_t kSlotSize = 64 * 1024;
constexpr uint32_t kSector = 4096;

/// How a life ends.
enum Ending { kOver = 0, kRestart = 10, kCut = 11, kBroken = 12 };

struct Value {
  char name[16];
  uint16_t size;
  uint8_t bytes[512];
};

struct Payload {
  uint32_t size;
  uint8_t bytes[kSlotSize];
};

struct Shared {
  uint8_t slots[2][kSlotSize];
  // The boot loader: which slot it starts next, and the state of each image as esp_ota_ops.h numbers them.
  int chosen;
  int states[2];
  int running;
  Value values[24];
  uint32_t time;
  uint32_t end;

  // Electricity, which ends at a write of choice: before it, or in its middle.
  int writes;
  int cut_at;
  bool torn;

  // The house.
  Payload image;
  char offer[2048];
  char frames_topic[160];
  bool offers;
  uint32_t frames;

  // What is wrong with the board or the way to it.
  bool has_one_slot;
  bool is_encrypted;
  bool cannot_activate;
  bool new_image_dies;
  bool has_no_memory;
  uint32_t frame_copies;
  // Bytes that somebody else's message has, right before an offer.
  uint32_t noise;
  uint32_t piece;
  // After so many messages the connection breaks off, each time.
  uint32_t breaks_after;
  int http_status;
  int http_redirects;
  bool http_ignores_ranges;
  bool http_leaves_scheme;
  bool http_lies_about_range;
  uint32_t http_loses_after;

  // What was seen.
  bool was_abused;
  uint32_t requests;
  uint32_t ranges;
  char will[256];
  uint32_t said_size;
  char said[512 * 1024];
};

extern Shared *shared;

/// Begin with a board that runs version 1.0.0 from its first slot.
void begin();
std::vector<uint8_t> make_app(const std::string &version, size_t size);
std::vector<uint8_t> slot_of(const std::string &version, size_t size);
std::string running_version();

struct Terms {
  std::string session = "00112233445566aa";
  std::string transport = "blocks";
  std::string url = "http://house/image";
  std::string signature;
  uint32_t block_size = 4096;
  uint32_t counter = 0;
};
/// Let the house offer an image, again whenever the board comes online.
void offer(const std::vector<uint8_t> &image, const Terms &terms = {});
std::string manifest(const std::vector<uint8_t> &image, uint32_t counter = 0);
/// Base64 of a key, and of its signature of a text, as the stub of PSA has them.
std::string key_text(uint8_t seed);
std::string signature_text(uint8_t seed, const std::string &text);

/// Live until nothing happens for so many seconds, across restarts. Return how the last life ended.
int live(const std::function<void()> &application, uint32_t seconds = 40);

/// All that was published on one of the board's topics.
std::vector<std::string> said(const std::string &kind);
std::vector<std::string> states();
std::string field(const std::string &json, const std::string &name);

// For the stubs, in a board's life.
struct Message {
  std::string topic;
  std::string payload;
};
/// What the broker brings next.
std::optional<Message> next_message();
void say(const std::string &topic, const std::string &payload, int qos, bool retain);
void listen(const std::string &topic, bool on);
void connected(const std::string &will_topic, const std::string &will);
/// Let so many milliseconds go by.
void pass(uint32_t milliseconds);
/// Bring a message from somebody else.
void bring(const std::string &topic, const std::string &payload);

}  // namespace world
