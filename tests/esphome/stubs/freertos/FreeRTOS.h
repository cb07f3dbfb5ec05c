#pragma once
#include <cstdint>

#include "sdkconfig.h"
using TickType_t = uint32_t;
using BaseType_t = int;
using UBaseType_t = unsigned;
constexpr TickType_t portMAX_DELAY = UINT32_MAX;
#define pdTRUE 1
#define pdFALSE 0
#define pdMS_TO_TICKS(milliseconds) (milliseconds)
