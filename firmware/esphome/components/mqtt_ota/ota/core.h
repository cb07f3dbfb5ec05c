#pragma once

#include "esphome/components/mqtt_ota_core/board.h"

namespace esphome::mqtt_board {

namespace core = ::mqtt_ota;

}  // namespace esphome::mqtt_board
