#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ports.h"
#include "sha256.h"

// A board's surroundings, made of vectors. What outlives its power is written through `Power`.

/// Electricity, which ends at a write of choice: before it, or in its middle.
struct Power {
  /// Which write is the last one; 0: none.
  int cut_at = 0;
  bool torn = false;
  int writes = 0;
  bool on = true;

  enum class Write { whole, torn, none };
  Write write() {
    if (!on) return Write::none;
    if (++writes != cut_at) return Write::whole;
    on = false;
    return torn ? Write::torn : Write::none;
  }
};

/// Two slots of NOR flash and a boot loader that gives a new image one chance.
class FakeFlash final : public mqtt_ota::Slot, public mqtt_ota::Boot {
 public:
  FakeFlash(Power &power, size_t capacity);

  /// Do what the boot loader does when the power comes.
  void boot(bool new_image_is_broken = false);
  const std::vector<uint8_t> &slot(size_t number) const { return slots_[number]; }
  /// Put an image where the running one is, as a cable would.
  void flash_by_cable(const std::vector<uint8_t> &image);

  uint32_t capacity() const override { return capacity_; }
  bool begin(uint32_t size) override;
  bool resume(uint32_t size, uint32_t held) override;
  bool write(uint32_t offset, mqtt_ota::Bytes bytes) override;
  bool read(uint32_t offset, uint8_t *into, size_t size) override;
  bool activate() override;

  uint8_t running() const override { return running_; }
  mqtt_ota::SelfTest self_test() override { return verdict; }
  bool confirm() override;
  void roll_back() override;
  void restart() override { restarts++; }

  mqtt_ota::SelfTest verdict = mqtt_ota::SelfTest::passed;
  bool can_resume = true;
  bool can_activate = true;
  bool can_begin = true;
  bool lies = false;
  /// The write that reaches this byte fails; 0: none.
  uint32_t bad_at = 0;
  int restarts = 0;
  int begun = 0;
  /// Whether a bit was to become 1 without an erase, which flash cannot do.
  bool abused = false;

 private:
  enum class Trial { none, chosen, booted };

  Power &power_;
  uint32_t capacity_;
  std::vector<uint8_t> slots_[2];
  uint8_t running_ = 0;
  uint8_t active_ = 0;
  Trial trial_ = Trial::none;
};

class FakeStore final : public mqtt_ota::Store {
 public:
  explicit FakeStore(Power &power) : power_(power) {}
  size_t get(const char *name, uint8_t *into, size_t size) override;
  bool put(const char *name, mqtt_ota::Bytes value) override;
  bool erase(const char *name) override;

  std::map<std::string, std::string> values;
  bool full = false;

 private:
  Power &power_;
};

struct Message {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool retain = false;
};

class FakeBroker final : public mqtt_ota::Broker {
 public:
  explicit FakeBroker(Power &power) : power_(power) {}
  void publish(const char *topic, mqtt_ota::Bytes payload, uint8_t qos, bool retain) override;
  void subscribe(const char *topic, uint8_t qos) override;
  void unsubscribe(const char *topic) override { subscribed.erase(topic); }

  std::map<std::string, int> subscribed;
  std::vector<Message> said;
  std::deque<Message> unheard;

 private:
  Power &power_;
};

class FakeClock final : public mqtt_ota::Clock {
 public:
  uint32_t now() override { return time; }
  // Wraps soon, so that every test is one of that.
  uint32_t time = UINT32_MAX - 1500;
};

/// Its signatures are the key's first 32 bytes and the digest, which is all that a test needs.
class FakeCrypto final : public mqtt_ota::Crypto {
 public:
  void sha256_begin() override { sha256_ = {}; }
  void sha256_update(mqtt_ota::Bytes piece) override { sha256_.add(piece); }
  bool sha256_finish(mqtt_ota::Sha256 *sha256) override {
    *sha256 = fails ? mqtt_ota::Sha256{} : sha256_.finish();
    return !fails;
  }
  bool verify(const mqtt_ota::PublicKey &key, const mqtt_ota::Sha256 &sha256,
              const mqtt_ota::Signature &signature) override;
  static mqtt_ota::Signature sign(const mqtt_ota::PublicKey &key, const std::string &text);

  /// No digest can be made.
  bool fails = false;

 private:
  PlainSha256 sha256_;
};

class FakeFetcher final : public mqtt_ota::Fetcher {
 public:
  void begin(mqtt_ota::Text from, uint32_t offset, uint32_t) override {
    url = from;
    at = offset;
    runs = true;
    begun.push_back(offset);
  }
  void seek(uint32_t offset) override {
    at = offset;
    sought++;
  }
  void stop() override { runs = false; }

  std::string url;
  uint32_t at = 0;
  bool runs = false;
  int sought = 0;
  std::vector<uint32_t> begun;
};

class FakeListener final : public mqtt_ota::Listener {
 public:
  void on_dropped(const char *cause) override { dropped.emplace_back(cause); }
  std::vector<std::string> dropped;
};
