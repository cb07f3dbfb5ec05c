#include "board.h"

// The way of an image into the slot, and what becomes of it there.
namespace mqtt_ota {

namespace {

constexpr uint32_t kStatusEvery = 1000;

}  // namespace

void Board::begin_way_(Text url) {
  if (transfer_.is_whole()) return finish_();
  if (!transfer_.by_blocks()) return ports_.fetcher->begin(url, transfer_.first_missing(), transfer_.size());
  ports_.broker.subscribe(transfer_.topic(voice_).text, 0);
  ask_();
}

void Board::end_way_() {
  if (transfer_.by_blocks()) {
    ports_.broker.unsubscribe(transfer_.topic(voice_).text);
  } else {
    ports_.fetcher->stop();
  }
}

void Board::take_frame_(Bytes piece) {
  const FrameReader::Result result = frame_.feed(piece);
  if (result == FrameReader::Result::more) return;
  incoming_ = Incoming::nothing;
  if (result == FrameReader::Result::bad) return ports_.listener.on_dropped(frame_.cause());
  // The transfer may have ended, or gone another way, while the frame came.
  if (!transfer_.is_active() || !transfer_.by_blocks()) return;
  if (transfer_.heard(frame_)) store_(frame_.offset(), frame_.block());
  if (transfer_.is_active() && !halted_) ask_();
}

void Board::fetched(Bytes piece) {
  uint32_t offset = 0;
  Bytes block;
  // Of a message that lies where this goes the rest is not waited for.
  if (is_fetching_()) incoming_ = Incoming::nothing;
  while (is_fetching_() && transfer_.fill(&piece, &offset, &block)) store_(offset, block);
}

void Board::fetch_failed(Text detail) {
  if (is_fetching_()) fail_(Reason::transport, detail);
}

void Board::ask_() {
  if (!transfer_.ask(voice_)) fail_(Reason::transport, "no frame arrives");
}

void Board::store_(uint32_t offset, Bytes block) {
  if (!transfer_.store(offset, block)) return fail_(Reason::flash);
  if (transfer_.is_whole()) return finish_();
  if (state_ != State::transferring || is_due(said_at_ + kStatusEvery, ports_.clock.now())) say_(State::transferring);
}

/// Judge the slot, and let the boot loader try it.
void Board::finish_() {
  say_(State::verifying);
  Reason reason = transfer_.verify();
  if (reason == Reason::none) reason = transfer_.activate();
  if (reason != Reason::none) return fail_(reason);
  end_way_();
  say_(State::rebooting);
  voice_.say(Availability::offline);
  transfer_.end();
  halted_ = true;
  ports_.boot.restart();
}

void Board::fail_(Reason reason, Text detail) {
  // What the slot holds is good as long as only the way to it was not.
  if (reason != Reason::transport && reason != Reason::timeout) journal_.forget_record();
  end_(State::failed, reason, detail);
}

/// Leave the transfer; its session has its verdict.
void Board::end_(State state, Reason reason, Text detail) {
  const uint32_t held = transfer_.held();
  end_way_();
  // What nobody hears is said after the next connect.
  journal_.write(Verdict{transfer_.session(), held, state, reason, static_cast<uint16_t>(online_ ? 1 : 0)});
  transfer_.end();
  if (online_) tell_(transfer_.session(), state, held, reason, detail);
}

void Board::say_(State state) {
  state_ = state;
  said_at_ = ports_.clock.now();
  tell_(transfer_.session(), state, transfer_.held());
}

void Board::tell_(const Session &session, State state, uint32_t held, Reason reason, Text detail) const {
  const bool is_its_own = transfer_.is_active() && transfer_.session() == session;
  voice_.say({session, state, held, reason, detail}, is_its_own ? transfer_.block_size() : uint16_t{0});
}

}  // namespace mqtt_ota
