#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "board.h"
#include "fakes.h"

/// An ESP32-C3 application of a size in bytes; another version or seed makes another one.
std::vector<uint8_t> make_app(const std::string &version, size_t size, uint32_t seed = 1);

std::string hex_of(mqtt_ota::Bytes bytes);
/// The value of a key of flat JSON, without quotes; empty where there is none.
std::string field_of(const std::string &json, const std::string &key);
std::string frame_of(const std::vector<uint8_t> &image, uint32_t offset, size_t length);
/// The same, for who knows the image's digest already.
std::string frame_of(const std::vector<uint8_t> &image, const mqtt_ota::Sha256 &sha256, uint32_t offset, size_t length);

constexpr char kSession[] = "00112233445566aa";
constexpr char kOtherSession[] = "ffeeddccbbaa0099";

/// What an offer says where it is not as usual.
struct Terms {
  std::string session = kSession;
  std::string model;
  std::string chip = "ESP32-C3";
  std::string version = "1.1.0";
  uint32_t size = 0;
  uint32_t counter = 0;
  std::string transport = "blocks";
  std::string topic;
  uint32_t block_size = 4096;
  uint32_t window = 8;
  std::string url = "http://127.0.0.1/image";
  std::string signature;
};

/// A board on a bench, with a broker and a house that answers its wants. Time passes only when nothing happens.
class Bench {
 public:
  explicit Bench(size_t slot_size = 256 * 1024);

  /// Let a life begin; the broker is there at once.
  void power_on(bool new_image_is_broken = false);
  void connect();
  /// Say something to the board, if it hears it.
  void say(const std::string &topic, const std::string &payload);
  void offer(const std::vector<uint8_t> &image, const Terms &terms = {});
  std::string offer_text(const std::vector<uint8_t> &image, const Terms &terms = {}) const;
  std::string manifest_of(const std::vector<uint8_t> &image, const Terms &terms = {}) const;
  void cancel(const std::string &session = kSession);
  /// Let everything happen that happens within some seconds, restarts too.
  void run(uint32_t seconds = 60);
  /// The same, until the board says this state.
  bool run_until(const std::string &state, uint32_t seconds = 900);

  std::string own(const std::string &kind) const { return "mqtt_ota/board/relay-1/" + kind; }
  std::vector<std::string> said(const std::string &kind) const;
  /// The states that were said, repetitions once.
  std::vector<std::string> states() const;
  std::string last_status() const;
  std::string running_version() const;

  Power power;
  FakeFlash flash{power, 0};
  FakeStore store{power};
  FakeBroker broker{power};
  FakeClock clock;
  FakeCrypto crypto;
  FakeFetcher fetcher;
  FakeListener listener;
  mqtt_ota::Settings settings;
  uint16_t chunks = 8;
  size_t memory_size = 4096;
  std::unique_ptr<mqtt_ota::Board> board;
  /// What arrives of a frame that is sent: nothing, itself, more.
  std::function<std::vector<std::string>(const std::string &)> way = [](const std::string &frame) {
    return std::vector<std::string>{frame};
  };
  /// Messages come in pieces of so many bytes; 0: whole.
  size_t piece = 0;
  bool restarts_by_itself = true;
  bool new_image_is_broken = false;
  int frames = 0;
  /// Whether the house offers again to a board that comes online.
  bool offers_again = true;

 private:
  void step_();
  void hear_(const Message &message);
  void answer_(const std::string &want);
  void serve_url_();

  std::vector<uint8_t> image_;
  mqtt_ota::Sha256 image_sha256_ = {};
  std::string offer_;
  std::string frames_topic_;
  std::string version_;
  std::vector<uint8_t> block_;
  std::vector<uint8_t> held_;
};
