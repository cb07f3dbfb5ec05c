#pragma once

#include "protocol.h"

namespace mqtt_ota {

/// How much of an image's beginning `is_bootable` looks at.
constexpr size_t kImageHead = 36;

/// Whether an image that begins so is an application for this chip. Of a chip that is no ESP everything is believed.
bool is_bootable(Bytes head, Text chip);

}  // namespace mqtt_ota
