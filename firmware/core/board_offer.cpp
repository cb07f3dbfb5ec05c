#include "board.h"

// Offers and cancels, and every reason to refuse an image before the flash is touched.
namespace mqtt_ota {

void Board::received(Text topic, Bytes payload) {
  message(topic, payload.size);
  if (payload.size > 0) piece(payload);
}

void Board::message(Text topic, size_t size) {
  incoming_ = halted_ ? Incoming::nothing : classify_(topic);
  switch (incoming_) {
    case Incoming::nothing:
      return;
    case Incoming::frame:
      frame_.begin(size, memory_.block, memory_.block_size);
      break;
    case Incoming::offer:
    case Incoming::cancel:
      begin_json_(size);
      break;
  }
  if (size == 0) piece({});
}

void Board::piece(Bytes piece) {
  switch (incoming_) {
    case Incoming::nothing:
      return;
    case Incoming::frame:
      return take_frame_(piece);
    case Incoming::offer:
    case Incoming::cancel:
      return take_json_(piece);
  }
}

Board::Incoming Board::classify_(Text topic) const {
  const Text kind = voice_.kind_of(topic);
  if (kind == "offer") return Incoming::offer;
  if (kind == "cancel") return Incoming::cancel;
  const bool expected = transfer_.is_active() && transfer_.by_blocks();
  return expected && (kind == "block" || voice_.is_shared(topic)) ? Incoming::frame : Incoming::nothing;
}

/// Gather the pieces where blocks are decoded else: no frame can come meanwhile, and what is fetched ends it.
void Board::begin_json_(size_t size) {
  if (size > kMaxOffer) {
    incoming_ = Incoming::nothing;
    return ports_.listener.on_dropped("too long");
  }
  expected_ = static_cast<uint16_t>(size);
  arrived_ = 0;
  transfer_.spoil();
}

void Board::take_json_(Bytes piece) {
  if (piece.size > static_cast<size_t>(expected_ - arrived_)) {
    incoming_ = Incoming::nothing;
    return;
  }
  if (piece.size > 0) memcpy(memory_.block + arrived_, piece.data, piece.size);
  arrived_ = static_cast<uint16_t>(arrived_ + piece.size);
  if (arrived_ < expected_) return;
  const Incoming incoming = incoming_;
  incoming_ = Incoming::nothing;
  if (incoming == Incoming::offer) {
    take_offer_();
  } else {
    take_cancel_();
  }
}

void Board::take_offer_() {
  Offer offer;
  const char *detail = nullptr;
  switch (read_offer(reinterpret_cast<char *>(memory_.block), arrived_, &offer, &detail)) {
    case Reading::nobody:
      return ports_.listener.on_dropped("no offer");
    case Reading::invalid:
      return refuse_(offer, Reason::offer_invalid, detail);
    case Reading::good:
      return answer_(offer);
  }
}

/// Answer an offer that is well written: go on, say again, refuse, or take it.
void Board::answer_(const Offer &offer) {
  if (const char *fault = fault_of_way_(offer)) return refuse_(offer, Reason::offer_invalid, fault);
  ports_.listener.on_offer(offer.session, offer.transport);
  if (on_trial_) return answer_on_trial_(offer);
  if (transfer_.is_active() && transfer_.is_said_again(offer)) return go_on_(offer);
  Verdict verdict;
  const bool has_ended = journal_.read(&verdict) && verdict.session == offer.session;
  // A session whose way failed has lost its way, not its sense: it may be offered again, by another one.
  if (has_ended && verdict.reason != Reason::transport) return repeat_(verdict);
  const Reason reason = check_(offer);
  if (reason != Reason::none) return refuse_(offer, reason);
  accept_(offer);
}

/// Before the running image has proved itself the other slot must stay as it is.
void Board::answer_on_trial_(const Offer &offer) {
  Trial trial;
  if (!journal_.read(&trial) || trial.session != offer.session) return refuse_(offer, Reason::busy);
  tell_(trial.session, State::rebooting, trial.size);
}

const char *Board::fault_of_way_(const Offer &offer) const {
  switch (offer.transport) {
    case Transport::blocks:
      if (!settings_.blocks) return "transport";
      return offer.topic == voice_.own("block").text || is_shared_(offer) ? nullptr : "topic";
    case Transport::http:
      return settings_.http ? nullptr : "transport";
    case Transport::https:
      return settings_.https ? nullptr : "transport";
  }
  return "transport";
}

bool Board::is_shared_(const Offer &offer) const {
  return offer.topic == voice_.shared(tag_of(offer.manifest.sha256)).text;
}

/// Return the first thing that speaks against an offer, in the protocol's order.
Reason Board::check_(const Offer &offer) const {
  const Manifest &manifest = offer.manifest;
  if (!manifest.model.empty() && manifest.model != settings_.model) return Reason::model;
  if (manifest.chip != settings_.chip) return Reason::chip;
  if (manifest.size > ports_.slot.capacity()) return Reason::size;
  if (manifest.counter < counter_()) return Reason::counter;
  if (settings_.key_count > 0 && !is_signed_(offer)) return Reason::signature;
  Sha256 running;
  const bool runs = running_sha256_(&running).size > 0 && running == manifest.sha256;
  return runs ? Reason::already_running : Reason::none;
}

bool Board::is_signed_(const Offer &offer) const {
  Sha256 sha256;
  if (!offer.is_signed || !ports_.crypto.digest(Bytes(offer.manifest_text), &sha256)) return false;
  for (size_t place = 0; place < settings_.key_count; place++) {
    if (ports_.crypto.verify(settings_.keys[place], sha256, offer.signature)) return true;
  }
  return false;
}

void Board::refuse_(const Offer &offer, Reason reason, Text detail) const {
  tell_(offer.session, State::failed, 0, reason, detail);
}

void Board::accept_(const Offer &offer) {
  if (transfer_.is_active()) return transfer_.is_of(offer) ? go_on_(offer) : refuse_(offer, Reason::busy);
  transfer_.begin(offer, is_shared_(offer));
  say_(State::accepted);
  begin_way_(offer.url);
}

/// Take the way of a repeated offer and leave everything else as it is.
void Board::go_on_(const Offer &offer) {
  if (transfer_.is_by_way_of(offer)) {
    transfer_.take(offer);
    return say_(state_);
  }
  end_way_();
  transfer_.redirect(offer, is_shared_(offer));
  say_(state_);
  begin_way_(offer.url);
}

void Board::take_cancel_() {
  Session session;
  Verdict verdict;
  Record record;
  if (!read_cancel(reinterpret_cast<char *>(memory_.block), arrived_, &session)) {
    ports_.listener.on_dropped("no cancel");
  } else if (on_trial_) {
    return;
  } else if (transfer_.is_active() && transfer_.session() == session) {
    end_(State::cancelled);
  } else if (journal_.read(&verdict) && verdict.session == session) {
    repeat_(verdict);
  } else if (journal_.read(&record) && record.session == session) {
    journal_.write(Verdict{session, 0, State::cancelled, Reason::none, 1});
    tell_(session, State::cancelled, 0);
  }
}

}  // namespace mqtt_ota
