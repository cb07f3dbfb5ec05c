#pragma once

#include <filesystem>

#include "ports.h"

/// A value a file, in a folder.
class FileStore final : public mqtt_ota::Store {
 public:
  explicit FileStore(std::filesystem::path folder);

  size_t get(const char *name, uint8_t *into, size_t size) override;
  bool put(const char *name, mqtt_ota::Bytes value) override;
  bool erase(const char *name) override;

 private:
  std::filesystem::path folder_;
};
