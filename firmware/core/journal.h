#pragma once

#include "held.h"
#include "ports.h"

namespace mqtt_ota {

// These are kept as they lie in memory: no padding, and the order of their fields is part of the format.

/// What the free slot is being filled with, for which session. `running` is the slot that ran meanwhile.
struct Record {
  Session session = {};
  Sha256 sha256 = {};
  uint32_t size = 0;
  uint32_t counter = 0;
  uint16_t block_size = 0;
  uint16_t running = 0;
};

/// An image that is to prove itself. `running` is the slot that ran before; `started` that the boot loader was told.
struct Trial {
  Session session = {};
  Sha256 sha256 = {};
  uint32_t size = 0;
  uint32_t counter = 0;
  uint16_t running = 0;
  uint16_t started = 0;
};

/// How a session ended, and whether that was said.
struct Verdict {
  Session session = {};
  uint32_t held = 0;
  State state = State::failed;
  Reason reason = Reason::none;
  uint16_t told = 1;
};

/// Which image was confirmed in which slot, and a checksum of its version.
struct Running {
  Sha256 sha256 = {};
  uint32_t version = 0;
  uint32_t slot = 0;
};

/// What the board must not forget, in a store. Readers return false where there is nothing, or nothing that is valid.
class Journal {
 public:
  explicit Journal(Store &store) : store_(store) {}

  bool read(Record *record) const;
  bool read(Trial *trial) const { return read_("trial", trial, sizeof(*trial)); }
  bool read(Verdict *verdict) const { return read_("verdict", verdict, sizeof(*verdict)); }
  bool read(Running *running) const { return read_("running", running, sizeof(*running)); }
  uint32_t counter() const;

  bool write(const Record &record) { return write_("record", &record, sizeof(record)); }
  bool write(const Trial &trial) { return write_("trial", &trial, sizeof(trial)); }
  bool write(const Verdict &verdict) { return write_("verdict", &verdict, sizeof(verdict)); }
  bool write(const Running &running) { return write_("running", &running, sizeof(running)); }
  bool write_counter(uint32_t counter);

  void forget_record();
  void forget_trial();

  /// Keep the chunk that a block belongs to.
  bool keep(const Held &held, uint32_t number);
  bool keep_all(const Held &held);
  void restore(uint32_t count, Held *held) const;

 private:
  bool read_(const char *name, void *value, size_t size) const;
  bool write_(const char *name, const void *value, size_t size);

  Store &store_;
};

}  // namespace mqtt_ota
