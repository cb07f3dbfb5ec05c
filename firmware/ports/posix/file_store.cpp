#include "file_store.h"

#include <algorithm>

#include "files.h"

FileStore::FileStore(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
}

size_t FileStore::get(const char *name, uint8_t *into, size_t size) {
  const std::string value = read_file(folder_ / name);
  if (value.empty() || value.size() > size) return 0;
  std::copy(value.begin(), value.end(), into);
  return value.size();
}

bool FileStore::put(const char *name, mqtt_ota::Bytes value) {
  return replace_file(folder_ / name, value);
}

bool FileStore::erase(const char *name) {
  std::error_code failure;
  std::filesystem::remove(folder_ / name, failure);
  return !failure;
}
