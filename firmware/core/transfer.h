#pragma once

#include "journal.h"
#include "offer.h"
#include "pull.h"
#include "settings.h"
#include "voice.h"

namespace mqtt_ota {

/// An image on its way into the free slot. The slot is touched by the first block, not before.
class Transfer {
 public:
  Transfer(const Settings &settings, const Ports &ports, const Memory &memory, Journal &journal)
      : settings_(settings),
        ports_(ports),
        memory_(memory),
        journal_(journal),
        held_(memory.held, memory.held_chunks) {}

  /// Begin with an offer, on the shared topic or another way: go on from the journal's record where it is of this
  /// image, else from nothing.
  void begin(const Offer &offer, bool shared);
  /// Leave it; what the slot holds stays as it is.
  void end() { active_ = false; }
  bool is_active() const { return active_; }

  /// Go on as the session of this offer.
  void take(const Offer &offer);
  /// Go on by the way of this offer.
  void redirect(const Offer &offer, bool shared);
  bool is_of(const Offer &offer) const { return record_.sha256 == offer.manifest.sha256; }
  /// Whether an offer is this transfer's own, said again: only then it needs no check.
  bool is_said_again(const Offer &offer) const;
  bool is_by_way_of(const Offer &offer) const { return way_ == way_of_(offer); }

  bool by_blocks() const { return transport_ == Transport::blocks; }
  /// Where its frames come.
  Topic topic(const Voice &voice) const;
  const Session &session() const { return record_.session; }
  uint32_t size() const { return record_.size; }
  uint16_t block_size() const { return block_size_; }
  /// How many bytes the slot holds.
  uint32_t held() const;
  bool is_whole() const { return held_.is_whole(); }
  /// Where the first byte that the slot lacks belongs.
  uint32_t first_missing() const { return held_.next_missing(0) * block_size_; }
  uint32_t heard_at() const { return heard_at_; }
  uint32_t wake_at() const { return pull_.wake_at(); }

  /// Send the wants that are due; false when no frame of any size arrives.
  bool ask(const Voice &voice);
  void ask_again() { pull_.again(ports_.clock.now()); }
  /// Take note of a frame of this image; true where its block is to be stored.
  bool heard(const FrameReader &frame);
  /// Take a piece from what was fetched; true when it completes a block that is to be stored.
  bool fill(Bytes *piece, uint32_t *offset, Bytes *block);
  /// The memory of blocks was used for something else.
  void spoil();
  bool store(uint32_t offset, Bytes block);

  /// Judge the slot as it reads back.
  Reason verify();
  /// Let the boot loader try it.
  Reason activate();

 private:
  static uint32_t way_of_(const Offer &offer);
  bool resume_();
  void begin_pull_(uint16_t window);
  void recut_(uint16_t block_size);
  bool prepare_();

  const Settings &settings_;
  const Ports &ports_;
  const Memory memory_;
  Journal &journal_;
  Held held_;
  Pull pull_;
  // As it is kept: its block size may still be the one before a cut into smaller blocks.
  Record record_;
  uint32_t way_ = 0;
  uint32_t heard_at_ = 0;
  // Of a block that is being fetched: where it belongs, how much of it has come.
  uint32_t fetched_at_ = 0;
  uint16_t filled_ = 0;
  uint16_t block_size_ = 0;
  Transport transport_ = Transport::blocks;
  bool shared_ = false;
  bool active_ = false;
  bool begun_ = false;
};

}  // namespace mqtt_ota
