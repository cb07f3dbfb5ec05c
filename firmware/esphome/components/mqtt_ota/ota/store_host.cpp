#ifdef USE_HOST
#include "store_host.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>

#include "esphome/components/host/core.h"

namespace esphome::mqtt_board {

namespace fs = std::filesystem;

fs::path state_folder() {
  return host::get_exe_path() + ".mqtt_ota";
}

std::string read_file(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool replace_file(const fs::path &path, core::Bytes bytes) {
  fs::path draft = path;
  draft += ".draft";
  {
    std::ofstream file(draft, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char *>(bytes.data), static_cast<std::streamsize>(bytes.size));
    if (!file.flush()) return false;
  }
  std::error_code failure;
  fs::rename(draft, path, failure);
  return !failure;
}

bool Store::setup() {
  std::error_code failure;
  fs::create_directories(state_folder(), failure);
  return !failure;
}

size_t Store::get(const char *name, uint8_t *into, size_t size) {
  const std::string value = read_file(state_folder() / name);
  if (value.empty() || value.size() > size) return 0;
  std::ranges::copy(value, into);
  return value.size();
}

bool Store::put(const char *name, core::Bytes value) {
  return replace_file(state_folder() / name, value);
}

bool Store::erase(const char *name) {
  std::error_code failure;
  fs::remove(state_folder() / name, failure);
  return !failure;
}

}  // namespace esphome::mqtt_board
#endif
