#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "board.h"
#include "curl_fetcher.h"
#include "ending.h"
#include "file_flash.h"
#include "file_store.h"
#include "link.h"
#include "mbedtls_crypto.h"
#include "reporter.h"

using namespace mqtt_ota;

namespace {

class SteadyClock final : public Clock {
 public:
  uint32_t now() override {
    using namespace std::chrono;
    return static_cast<uint32_t>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
  }
};

constexpr double kForEver = -1;
constexpr int kMaxFiles = 256;

/// The board from power on to power off; the next life is this program, executed anew.
class Life {
 public:
  Life(Options *options, char **arguments, std::string program)
      : options_(*options),
        faults_(options->faults),
        arguments_(arguments),
        program_(std::move(program)),
        store_(std::filesystem::path(options->state) / "store"),
        flash_(
            *options, &faults_, [this] { cut_(); }, [this] { return board_.held(); }),
        reporter_(boot_(options)),
        link_(*options, options->root + "/board/" + options->id + "/availability"),
        fetcher_(faults_.dies_on_url),
        board_(options->settings, {flash_, flash_, crypto_, clock_, store_, link_, reporter_, &fetcher_},
               memory_.use()) {}

  /// Live until the end is asked for.
  int run();

 private:
  std::string boot_(Options *options);
  void forget_verdict_();
  void take_arrivals_();
  void hear_(const Arrival &arrival);
  void take_pieces_();
  bool falls_asleep_();
  void sleep_(double seconds);
  [[noreturn]] void cut_();
  [[noreturn]] void restart_(const std::string &cause, double seconds);
  [[noreturn]] void begin_again_(double seconds);

  const Options &options_;
  Faults &faults_;
  char **arguments_;
  std::string program_;
  SteadyClock clock_;
  MbedtlsCrypto crypto_;
  FileStore store_;
  FileFlash flash_;
  Reporter reporter_;
  Link link_;
  CurlFetcher fetcher_;
  BoardMemory<kMaxBlockSize> memory_;
  Board board_;
  std::optional<uint32_t> sleeps_at_;
};

int Life::run() {
  switch (board_.begin()) {
    case Begin::good:
      break;
    case Begin::bad_settings:
      fputs("vboard: no board can be like this\n", stderr);
      return 2;
    case Begin::too_little_memory:
      fputs("vboard: this board would need more memory\n", stderr);
      return 2;
    case Begin::broken_crypto:
      fputs("vboard: no digest can be made\n", stderr);
      return 2;
  }
  if (faults_.comes_back_old_silent) forget_verdict_();
  reporter_.started(board_.is_pending());
  while (!is_ended() && flash_.restart_cause().empty()) {
    fetcher_.wait(link_.socket(), link_.wants_to_write(), std::min(link_.idle_time(), board_.idle_time()));
    link_.work();
    fetcher_.work();
    take_arrivals_();
    take_pieces_();
    board_.loop();
    if (sleeps_at_ && is_due(*sleeps_at_, clock_.now()) && !board_.is_transferring()) {
      sleep_(options_.settings.wake_interval);
    }
  }
  if (!is_ended()) {
    const bool never = faults_.never_comes_back && flash_.restart_cause() == "update";
    restart_(flash_.restart_cause(), never ? kForEver : options_.reboot_time);
  }
  board_.leave(Availability::offline);
  link_.close();
  reporter_.happened("stopped");
  return 0;
}

/// Let the boot loader choose, and return the version that runs.
std::string Life::boot_(Options *options) {
  flash_.boot();
  options->version = flash_.version();
  options->settings.version = options->version;
  return options->version;
}

void Life::forget_verdict_() {
  Journal journal(store_);
  Verdict verdict;
  if (!journal.read(&verdict) || verdict.told != 0) return;
  store_.erase("verdict");
}

void Life::take_arrivals_() {
  while (flash_.restart_cause().empty()) {
    const std::optional<Arrival> arrival = link_.take();
    if (!arrival) return;
    hear_(*arrival);
  }
}

void Life::hear_(const Arrival &arrival) {
  switch (arrival.kind) {
    case Arrival::Kind::connected:
      reporter_.happened("connected");
      if (options_.settings.wake_interval > 0 && !board_.is_pending()) {
        sleeps_at_ = clock_.now() + static_cast<uint32_t>(options_.awake_time * 1000);
      }
      return board_.connected();
    case Arrival::Kind::lost:
      reporter_.happened("disconnected");
      return board_.disconnected();
    case Arrival::Kind::message:
      break;
  }
  const auto ends_with = [&](const char *kind) {
    return arrival.topic == options_.root + "/board/" + options_.id + kind;
  };
  if (ends_with("/offer") && faults_.silent) return;
  if (ends_with("/offer") || ends_with("/cancel")) {
    return board_.received(arrival.topic, Bytes(Text(arrival.payload)));
  }
  for (const std::string &frame : faults_.arriving(arrival.payload)) {
    board_.received(arrival.topic, Bytes(Text(frame)));
    if (falls_asleep_() || !flash_.restart_cause().empty()) return;
  }
}

void Life::take_pieces_() {
  const std::string piece = fetcher_.take();
  // A block at a time, as what happens between two of them matters.
  for (size_t at = 0; at < piece.size() && flash_.restart_cause().empty(); at += kMinBlockSize) {
    board_.fetched(Bytes(Text(piece)).after(at).first(kMinBlockSize));
    falls_asleep_();
  }
  const std::string failure = fetcher_.take_failure();
  if (!failure.empty()) board_.fetch_failed(failure);
}

bool Life::falls_asleep_() {
  if (!faults_.sends_to_sleep(board_.held())) return false;
  sleep_(options_.sleep_time);
  return true;
}

void Life::sleep_(double seconds) {
  board_.leave(Availability::asleep);
  restart_("sleep", seconds);
}

/// Lose the power without a word: the broker speaks the last will.
void Life::cut_() {
  reporter_.restarts("power_cut", options_.reboot_time);
  begin_again_(options_.reboot_time);
}

void Life::restart_(const std::string &cause, double seconds) {
  reporter_.restarts(cause, seconds);
  link_.close();
  begin_again_(seconds);
}

/// Be gone for some seconds, with all connections, and then this program anew, without the faults that have happened.
void Life::begin_again_(double seconds) {
  for (int file = STDERR_FILENO + 1; file < kMaxFiles; file++) ::close(file);
  rest(seconds);
  hold_end_back();
  if (is_ended()) {
    reporter_.happened("stopped");
    _exit(0);
  }
  std::vector<char *> arguments;
  for (char **argument = arguments_; *argument != nullptr; argument++) {
    const bool is_fault = argument[1] != nullptr && Text(*argument) == "--fault";
    if (is_fault && faults_.is_spent(argument[1])) {
      argument++;
    } else {
      arguments.push_back(*argument);
    }
  }
  arguments.push_back(nullptr);
  execv(program_.c_str(), arguments.data());
  perror("vboard");
  _exit(1);
}

}  // namespace

int main(int count, char **arguments) {
  listen_for_end();
  Options options;
  read_options(count, arguments, &options);
  std::error_code failure;
  const auto itself = std::filesystem::read_symlink("/proc/self/exe", failure);
  return Life(&options, arguments, failure ? arguments[0] : itself.string()).run();
}
