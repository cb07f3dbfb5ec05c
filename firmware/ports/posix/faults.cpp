#include "faults.h"

#include <map>

#include "text.h"

bool Faults::choose(const std::string &text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    bool *flag = flag_(text);
    if (flag != nullptr) *flag = true;
    return flag != nullptr;
  }
  uint32_t *number = number_(text.substr(0, equals));
  return number != nullptr && mqtt_ota::read_decimal(text.substr(equals + 1), number);
}

bool Faults::is_spent(const std::string &text) const {
  const std::string name = text.substr(0, text.find('='));
  return (name == "power_cut" && power_cut == 0) || (name == "falls_asleep" && falls_asleep == 0) ||
         (name == "corrupt" && !corrupt);
}

std::vector<std::string> Faults::arriving(std::string frame) {
  received_++;
  // Not each Nth: a loss in step with the wants would hit the same block for ever.
  if (lose > 0 && chance_() % lose == 0) return {};
  if (drops_large > 0 && frame.size() > drops_large) return {};
  if (corrupt && received_ > 1 && !frame.empty()) {
    corrupt = false;
    frame.back() = static_cast<char>(~frame.back());
  }
  std::vector<std::string> frames{frame};
  if (reorder) {
    if (!kept_back_) {
      kept_back_ = frame;
      return {};
    }
    frames.push_back(*kept_back_);
    kept_back_.reset();
  }
  if (repeat) frames.insert(frames.end(), frames.begin(), frames.end());
  return frames;
}

bool Faults::cuts_power(uint32_t before, uint32_t after) {
  if (power_cut <= before || power_cut > after) return false;
  power_cut = 0;
  return true;
}

bool Faults::sends_to_sleep(uint32_t held) {
  if (falls_asleep == 0 || held < falls_asleep) return false;
  falls_asleep = 0;
  return true;
}

uint32_t *Faults::number_(const std::string &name) {
  const std::map<std::string, uint32_t *> numbers = {
      {"lose", &lose},
      {"drops_large", &drops_large},
      {"power_cut", &power_cut},
      {"falls_asleep", &falls_asleep},
      {"write_error", &write_error},
      {"bad_block", &bad_block},
  };
  const auto found = numbers.find(name);
  return found == numbers.end() ? nullptr : found->second;
}

bool *Faults::flag_(const std::string &name) {
  const std::map<std::string, bool *> flags = {
      {"repeat", &repeat},
      {"reorder", &reorder},
      {"corrupt", &corrupt},
      {"wrong_digest", &wrong_digest},
      {"comes_back_old", &comes_back_old},
      {"comes_back_old_silent", &comes_back_old_silent},
      {"fails_self_test", &fails_self_test},
      {"never_confirms", &never_confirms},
      {"never_comes_back", &never_comes_back},
      {"silent", &silent},
      {"dies_on_url", &dies_on_url},
  };
  const auto found = flags.find(name);
  return found == flags.end() ? nullptr : found->second;
}
