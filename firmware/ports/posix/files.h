#pragma once

#include <filesystem>
#include <string>

#include "bytes.h"

// Files that are there whole or not at all, as far as a process that is killed can tell.

/// Read a file; an empty text where there is none.
std::string read_file(const std::filesystem::path &path);
/// Write a file aside, then put it in its place.
bool replace_file(const std::filesystem::path &path, mqtt_ota::Bytes bytes);
