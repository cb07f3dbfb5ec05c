#pragma once

#ifdef USE_HOST
#include <filesystem>
#include <string>

#include "core.h"

namespace esphome::mqtt_board {

/// The folder beside the running program that holds what outlives it.
std::filesystem::path state_folder();
/// Read a file; empty where there is none.
std::string read_file(const std::filesystem::path &path);
/// Write a file aside, then put it in its place.
bool replace_file(const std::filesystem::path &path, core::Bytes bytes);

/// A value a file.
class Store final : public core::Store {
 public:
  bool setup();

  size_t get(const char *name, uint8_t *into, size_t size) override;
  bool put(const char *name, core::Bytes value) override;
  bool erase(const char *name) override;
};

}  // namespace esphome::mqtt_board
#endif
