#pragma once

#include "frame.h"
#include "ports.h"
#include "settings.h"

namespace mqtt_ota {

/// A topic, ended by a NUL.
struct Topic {
  char text[kMaxTopic];
};

/// What a board says, and where it listens.
class Voice {
 public:
  Voice(const Settings &settings, const Ports &ports) : settings_(settings), ports_(ports) {}

  /// One of the board's own topics.
  Topic own(const char *kind) const;
  /// The topic on which everybody can hear the blocks of an image.
  Topic shared(const Tag &tag) const;
  /// What a topic is of the board's own, such as `offer`; empty for any other topic.
  Text kind_of(Text topic) const;
  bool is_shared(Text topic) const;

  /// Say who the board is, written into `scratch`; false where that is too small, or its keys
  /// cannot be told. An empty SHA-256 is not known.
  bool announce(Bytes sha256, uint32_t counter, bool pending, char *scratch, size_t size) const;
  /// Write the announce without saying it.
  Text write_announce(Bytes sha256, uint32_t counter, bool pending, char *scratch, size_t size) const;
  void say(Availability availability) const;
  void say(const Status &status, uint16_t block_size = 0) const;
  void ask(const Want &want) const;

 private:
  const Settings &settings_;
  const Ports &ports_;
};

}  // namespace mqtt_ota
