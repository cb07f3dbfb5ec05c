#pragma once

#include <initializer_list>

#include "text.h"

namespace mqtt_ota {

/// Write texts one behind the other, and a NUL; where they do not fit they end early.
template <size_t size>
void join(char (&into)[size], std::initializer_list<Text> texts) {
  TextWriter writer(into, size);
  for (const Text text : texts) writer.put(text);
}

}  // namespace mqtt_ota
