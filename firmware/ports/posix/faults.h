#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

/// What goes wrong, on demand. What happens once is 0 or false when it has.
class Faults {
 public:
  /// Choose one by its NAME or NAME=N; false for what is none.
  bool choose(const std::string &text);
  /// Whether a text chooses one that happens once and has.
  bool is_spent(const std::string &text) const;

  /// Say what arrives when this frame is sent.
  std::vector<std::string> arriving(std::string frame);
  bool cuts_power(uint32_t before, uint32_t after);
  bool sends_to_sleep(uint32_t held);

  uint32_t lose = 0;
  uint32_t drops_large = 0;
  uint32_t power_cut = 0;
  uint32_t falls_asleep = 0;
  uint32_t write_error = 0;
  uint32_t bad_block = 0;
  bool repeat = false;
  bool reorder = false;
  bool corrupt = false;
  bool wrong_digest = false;
  bool comes_back_old = false;
  bool comes_back_old_silent = false;
  bool fails_self_test = false;
  bool never_confirms = false;
  bool never_comes_back = false;
  bool silent = false;
  bool dies_on_url = false;

 private:
  uint32_t *number_(const std::string &name);
  bool *flag_(const std::string &name);

  uint32_t received_ = 0;
  std::mt19937 chance_{1};
  std::optional<std::string> kept_back_;
};
