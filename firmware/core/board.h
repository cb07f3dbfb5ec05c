#pragma once

#include "transfer.h"

namespace mqtt_ota {

/// The memory for blocks of up to `block_size` bytes, and for a bitmap of 256 blocks a chunk.
template <size_t block_size = 4096, uint16_t chunks = 8>
struct BoardMemory {
  uint8_t block[block_size > kMaxOffer ? block_size : kMaxOffer];
  uint8_t held[chunks * Held::kChunkBytes];

  Memory use() { return {block, sizeof(block), held, chunks}; }
};

enum class Begin : uint8_t { good, bad_settings, too_little_memory, broken_crypto };

/// The native protocol's board side, from power on to power off.
///
/// Messages and the passing of time go in; what goes out goes through the ports. One thread calls it. After a restart
/// was asked of the boot loader it does nothing any more.
class Board {
 public:
  /// Settings, ports and memory must outlive the board.
  Board(const Settings &settings, const Ports &ports, const Memory &memory);

  /// Begin a life, before anything else; what is not `good` would never work.
  Begin begin();
  /// The broker is there: clean, nothing is subscribed yet.
  void connected();
  void disconnected();
  /// A message of `size` bytes begins on this topic; its pieces follow, all of them before the next message.
  void message(Text topic, size_t size);
  void piece(Bytes piece);
  /// A whole message.
  void received(Text topic, Bytes payload);
  /// Bytes that the fetcher has got, in order. A message of which pieces are still to come is lost by that.
  void fetched(Bytes piece);
  /// The fetcher has given up.
  void fetch_failed(Text detail);
  /// Do what time demands.
  void loop();
  /// In how many milliseconds `loop` has something to do, a second at most.
  uint32_t idle_time() const;
  /// Say that the board goes to sleep or off.
  void leave(Availability availability);

  bool is_transferring() const { return transfer_.is_active(); }
  /// Whether a fresh image runs that has not confirmed itself.
  bool is_pending() const { return on_trial_; }
  /// How many bytes of the image in transfer the slot holds.
  uint32_t held() const { return transfer_.is_active() ? transfer_.held() : 0; }

 private:
  enum class Incoming : uint8_t { nothing, offer, cancel, frame };

  Begin check_settings_() const;
  void judge_trial_();
  void announce_();
  Bytes running_sha256_(Sha256 *sha256) const;
  uint32_t version_() const;
  uint32_t counter_() const;
  void prove_();
  void wait_for_broker_();
  void confirm_();
  void roll_back_();
  void tell_verdict_();
  void repeat_(const Verdict &verdict) const;

  Incoming classify_(Text topic) const;
  void begin_json_(size_t size);
  void take_json_(Bytes piece);
  void take_offer_();
  void answer_(const Offer &offer);
  void answer_on_trial_(const Offer &offer);
  const char *fault_of_way_(const Offer &offer) const;
  bool is_shared_(const Offer &offer) const;
  Reason check_(const Offer &offer) const;
  bool is_signed_(const Offer &offer) const;
  void refuse_(const Offer &offer, Reason reason, Text detail = {}) const;
  void accept_(const Offer &offer);
  void go_on_(const Offer &offer);
  void take_cancel_();

  bool is_fetching_() const { return !halted_ && transfer_.is_active() && !transfer_.by_blocks(); }
  void begin_way_(Text url);
  void end_way_();
  void take_frame_(Bytes piece);
  void ask_();
  void store_(uint32_t offset, Bytes block);
  void finish_();
  void fail_(Reason reason, Text detail = {});
  void end_(State state, Reason reason = Reason::none, Text detail = {});
  /// Say how far the transfer is.
  void say_(State state);
  void tell_(const Session &session, State state, uint32_t held, Reason reason = Reason::none, Text detail = {}) const;

  const Settings &settings_;
  const Ports ports_;
  const Memory memory_;
  Voice voice_;
  Journal journal_;
  Transfer transfer_;
  FrameReader frame_;
  State state_ = State::accepted;
  Incoming incoming_ = Incoming::nothing;
  uint16_t expected_ = 0;
  uint16_t arrived_ = 0;
  uint32_t begun_at_ = 0;
  uint32_t said_at_ = 0;
  bool online_ = false;
  bool on_trial_ = false;
  bool halted_ = false;
};

}  // namespace mqtt_ota
