#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include "bytes.h"

// What every fuzzer has: its entry, and a way to say that what must hold did not.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

inline void must(bool holds) {
  if (!holds) abort();
}

/// A copy of an input that a parser may spoil, of just its size so that a step too far is noticed.
inline std::string copy_of(const uint8_t *input, size_t size) {
  std::string copy(reinterpret_cast<const char *>(input), size);
  copy.shrink_to_fit();
  return copy;
}
