#include "ending.h"

#include <chrono>
#include <csignal>
#include <thread>

namespace {

volatile std::sig_atomic_t ended = 0;

void end(int) {
  ended = 1;
}

constexpr std::chrono::milliseconds kSlice{20};

sigset_t requests() {
  sigset_t requests;
  sigemptyset(&requests);
  sigaddset(&requests, SIGTERM);
  sigaddset(&requests, SIGINT);
  return requests;
}

}  // namespace

bool is_ended() {
  return ended != 0;
}

void listen_for_end() {
  struct sigaction action{};
  action.sa_handler = end;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const sigset_t held_back = requests();
  sigprocmask(SIG_UNBLOCK, &held_back, nullptr);
}

void hold_end_back() {
  const sigset_t held_back = requests();
  sigprocmask(SIG_BLOCK, &held_back, nullptr);
}

void rest(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  while (!is_ended()) {
    const auto left = until - Clock::now();
    if (seconds >= 0 && left <= Clock::duration::zero()) return;
    std::this_thread::sleep_for(seconds >= 0 && left < kSlice ? left : Clock::duration(kSlice));
  }
}
