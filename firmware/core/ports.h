#pragma once

#include "protocol.h"

// What a platform supplies. Everything is called from within the board's own calls, and nothing of it calls the board.
namespace mqtt_ota {

/// The slot that does not run.
class Slot {
 public:
  /// The largest image that fits, in bytes.
  virtual uint32_t capacity() const = 0;
  /// Make ready for an image of this size; what was there is gone.
  virtual bool begin(uint32_t size) = 0;
  /// Go on with an image that was begun in an earlier life and is there up to `held`; false: only `begin` will do.
  virtual bool resume(uint32_t size, uint32_t held) = 0;
  /// Write; what was written before a power cut is written again, the same bytes to the same place.
  virtual bool write(uint32_t offset, Bytes bytes) = 0;
  virtual bool read(uint32_t offset, uint8_t *into, size_t size) = 0;
  /// Let the boot loader start this slot next; false where it would not.
  virtual bool activate() = 0;

 protected:
  ~Slot() = default;
};

enum class SelfTest : uint8_t { running, passed, failed };

/// The boot loader, and what runs now.
class Boot {
 public:
  /// The number of the slot that runs.
  virtual uint8_t running() const = 0;
  /// Judge a new image; asked again and again while the broker is there and it is still running.
  virtual SelfTest self_test() { return SelfTest::passed; }
  /// Keep the running image.
  virtual bool confirm() = 0;
  /// Go back to the image before, soon.
  virtual void roll_back() = 0;
  /// Start again soon, after what was published has gone out.
  virtual void restart() = 0;

 protected:
  ~Boot() = default;
};

class Crypto {
 public:
  /// One SHA-256 at a time.
  virtual void sha256_begin() = 0;
  virtual void sha256_update(Bytes piece) = 0;
  /// False where any step of it went wrong: then there is no digest.
  virtual bool sha256_finish(Sha256 *sha256) = 0;
  /// The SHA-256 of all that there is.
  bool digest(Bytes bytes, Sha256 *sha256) {
    sha256_begin();
    sha256_update(bytes);
    return sha256_finish(sha256);
  }
  /// Whether the owner of a key signed this SHA-256 with ECDSA on P-256; the signature is r and s.
  virtual bool verify(const PublicKey &key, const Sha256 &sha256, const Signature &signature) = 0;

 protected:
  ~Crypto() = default;
};

class Clock {
 public:
  /// Milliseconds; it may wrap.
  virtual uint32_t now() = 0;

 protected:
  ~Clock() = default;
};

/// What outlives a loss of power: short values by short names, each put whole or not at all.
class Store {
 public:
  /// Read a value and return its length; 0 where there is none of at most `size` bytes.
  virtual size_t get(const char *name, uint8_t *into, size_t size) = 0;
  virtual bool put(const char *name, Bytes value) = 0;
  virtual bool erase(const char *name) = 0;

 protected:
  ~Store() = default;
};

/// The connection to the broker. Topics end with a NUL.
class Broker {
 public:
  virtual void publish(const char *topic, Bytes payload, uint8_t qos, bool retain) = 0;
  virtual void subscribe(const char *topic, uint8_t qos) = 0;
  virtual void unsubscribe(const char *topic) = 0;

 protected:
  ~Broker() = default;
};

/// Gets an image by its URL. It tries again what may work the next time, and asks for ranges to go on.
class Fetcher {
 public:
  /// Fetch the bytes from `offset` to `size`; they are told to the board in pieces. Ends what was fetched before.
  virtual void begin(Text url, uint32_t offset, uint32_t size) = 0;
  /// Go on elsewhere: bytes that were told have been forgotten.
  virtual void seek(uint32_t offset) = 0;
  virtual void stop() = 0;

 protected:
  ~Fetcher() = default;
};

/// Whoever wants to know what the board does.
class Listener {
 public:
  /// `block_size` is what the board asks with, 0 outside of a transfer.
  virtual void on_status(const Status & /*status*/, uint16_t /*block_size*/) {}
  virtual void on_announce(bool /*pending*/) {}
  virtual void on_offer(const Session & /*session*/, Transport /*transport*/) {}
  /// A message was none; `cause` says why in few words.
  virtual void on_dropped(const char * /*cause*/) {}

 protected:
  ~Listener() = default;
};

struct Ports {
  Slot &slot;
  Boot &boot;
  Crypto &crypto;
  Clock &clock;
  Store &store;
  Broker &broker;
  Listener &listener;
  /// Only for boards that take an image by its URL.
  Fetcher *fetcher = nullptr;
};

/// The memory of a board beside itself. `block` holds a block, and every other message before it is understood.
struct Memory {
  uint8_t *block;
  size_t block_size;
  uint8_t *held;
  uint16_t held_chunks;
};

}  // namespace mqtt_ota
