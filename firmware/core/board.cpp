#include "board.h"

#include "crc32.h"
#include "text.h"

// A board's life: how it begins, what it is, how a new image proves itself. Offers are in board_offer.cpp, the way of
// an image in board_transfer.cpp.
namespace mqtt_ota {

namespace {

constexpr size_t kMaxFeed = 256;
constexpr uint32_t kLongestIdle = 1000;

bool is_line_or_empty(Text text) {
  return text.empty() || is_line(text);
}

}  // namespace

Board::Board(const Settings &settings, const Ports &ports, const Memory &memory)
    : settings_(settings),
      ports_(ports),
      memory_(memory),
      voice_(settings_, ports_),
      journal_(ports.store),
      transfer_(settings_, ports_, memory_, journal_) {}

Begin Board::begin() {
  const Begin checked = check_settings_();
  if (checked != Begin::good) return checked;
  begun_at_ = ports_.clock.now();
  judge_trial_();
  Sha256 any = {};
  if (!ports_.crypto.digest({}, &any)) return Begin::broken_crypto;
  // The longest that it will ever be: not only what is known today.
  auto *scratch = reinterpret_cast<char *>(memory_.block);
  const Bytes sha256{any.data(), any.size()};
  const bool fits = !voice_.write_announce(sha256, UINT32_MAX, true, scratch, memory_.block_size).empty();
  return fits ? Begin::good : Begin::too_little_memory;
}

Begin Board::check_settings_() const {
  const Settings &is = settings_;
  const bool names = is_board_id(is.id) && is_line(is.chip) && is_line(is.version) && is_line_or_empty(is.name) &&
                     is_line_or_empty(is.model) && is_line_or_empty(is.project) && is_line_or_empty(is.mac);
  const bool places = !is.root.empty() && is.root.size() <= kMaxRoot && is.feed.size() <= kMaxFeed;
  const bool blocks = is.block_size >= kMinBlockSize && is.block_size <= kMaxBlockSize && is.window >= 1 &&
                      is.window <= Pull::kMaxInFlight;
  const bool fetches = is.http || is.https;
  if (!names || !places || !blocks || !(is.blocks || fetches)) return Begin::bad_settings;
  if (fetches && ports_.fetcher == nullptr) return Begin::bad_settings;
  const bool room = memory_.block_size >= is.block_size && memory_.block_size >= kMaxOffer && memory_.held_chunks > 0;
  return room ? Begin::good : Begin::too_little_memory;
}

/// Find out what became of an image on trial.
void Board::judge_trial_() {
  Trial trial;
  if (!journal_.read(&trial)) return;
  on_trial_ = trial.running != ports_.boot.running();
  if (on_trial_) return;
  if (trial.started != 0) {
    Verdict verdict;
    const bool is_known = journal_.read(&verdict) && verdict.session == trial.session && verdict.told == 0;
    if (!is_known) journal_.write(Verdict{trial.session, 0, State::rolled_back, Reason::boot, 0});
  }
  journal_.forget_trial();
}

void Board::connected() {
  if (halted_) return;
  online_ = true;
  incoming_ = Incoming::nothing;
  ports_.broker.subscribe(voice_.own("offer").text, 1);
  ports_.broker.subscribe(voice_.own("cancel").text, 1);
  if (transfer_.is_active() && transfer_.by_blocks()) {
    ports_.broker.subscribe(transfer_.topic(voice_).text, 0);
    transfer_.ask_again();
  }
  announce_();
  voice_.say(Availability::online);
  if (on_trial_) prove_();
  tell_verdict_();
  loop();
}

void Board::disconnected() {
  online_ = false;
  incoming_ = Incoming::nothing;
}

void Board::loop() {
  if (halted_) return;
  if (on_trial_) online_ ? prove_() : wait_for_broker_();
  if (!transfer_.is_active()) return;
  if (is_due(transfer_.heard_at() + settings_.give_up, ports_.clock.now())) {
    fail_(Reason::timeout);
  } else if (transfer_.by_blocks() && online_) {
    ask_();
  }
}

uint32_t Board::idle_time() const {
  if (!transfer_.is_active()) return kLongestIdle;
  const uint32_t now = ports_.clock.now();
  uint32_t at = transfer_.heard_at() + settings_.give_up;
  if (transfer_.by_blocks() && online_ && is_due(transfer_.wake_at(), at)) at = transfer_.wake_at();
  if (is_due(at, now)) return 0;
  return at - now < kLongestIdle ? at - now : kLongestIdle;
}

void Board::leave(Availability availability) {
  voice_.say(availability);
}

void Board::announce_() {
  Sha256 sha256;
  auto *scratch = reinterpret_cast<char *>(memory_.block);
  incoming_ = Incoming::nothing;
  voice_.announce(running_sha256_(&sha256), counter_(), on_trial_ && settings_.rollback, scratch, memory_.block_size);
  transfer_.spoil();
}

/// Return the SHA-256 of the running image where it is known: it was confirmed in this slot, with this version.
Bytes Board::running_sha256_(Sha256 *sha256) const {
  Trial trial;
  Running running;
  if (on_trial_ && journal_.read(&trial)) {
    *sha256 = trial.sha256;
  } else if (journal_.read(&running) && running.slot == ports_.boot.running() && running.version == version_()) {
    *sha256 = running.sha256;
  } else {
    return {};
  }
  return {sha256->data(), sha256->size()};
}

uint32_t Board::version_() const {
  Crc32 version;
  version.add(Bytes(settings_.version));
  return version.value();
}

uint32_t Board::counter_() const {
  const uint32_t kept = journal_.counter();
  return kept > settings_.counter ? kept : settings_.counter;
}

/// Let the new image test itself.
void Board::prove_() {
  switch (settings_.rollback ? ports_.boot.self_test() : SelfTest::passed) {
    case SelfTest::running:
      return;
    case SelfTest::passed:
      return confirm_();
    case SelfTest::failed:
      return roll_back_();
  }
}

/// Take back a new image that has not reached the broker in time.
void Board::wait_for_broker_() {
  if (settings_.rollback && ports_.clock.now() - begun_at_ >= settings_.trial) roll_back_();
}

void Board::confirm_() {
  Trial trial;
  if (!journal_.read(&trial) || !ports_.boot.confirm()) return;
  journal_.write(Running{trial.sha256, version_(), ports_.boot.running()});
  journal_.write_counter(trial.counter);
  journal_.write(Verdict{trial.session, trial.size, State::confirmed, Reason::none, 0});
  journal_.forget_trial();
  on_trial_ = false;
  if (settings_.rollback) announce_();
  tell_verdict_();
}

void Board::roll_back_() {
  Trial trial;
  if (journal_.read(&trial)) {
    journal_.write(Verdict{trial.session, 0, State::rolled_back, Reason::self_test, 0});
  }
  voice_.say(Availability::offline);
  ports_.boot.roll_back();
  halted_ = true;
}

void Board::tell_verdict_() {
  Verdict verdict;
  if (halted_ || !journal_.read(&verdict) || verdict.told != 0) return;
  // An image on trial has not earned its verdict, and one that fails its test tells nothing before it is gone.
  if (on_trial_) return;
  repeat_(verdict);
  verdict.told = 1;
  journal_.write(verdict);
}

void Board::repeat_(const Verdict &verdict) const {
  tell_(verdict.session, verdict.state, verdict.held, verdict.reason);
}

}  // namespace mqtt_ota
