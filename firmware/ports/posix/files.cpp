#include "files.h"

#include <fstream>
#include <iterator>

std::string read_file(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool replace_file(const std::filesystem::path &path, mqtt_ota::Bytes bytes) {
  std::filesystem::path draft = path;
  draft += ".draft";
  {
    std::ofstream file(draft, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char *>(bytes.data), static_cast<std::streamsize>(bytes.size));
    if (!file.flush()) return false;
  }
  std::error_code failure;
  std::filesystem::rename(draft, path, failure);
  return !failure;
}
