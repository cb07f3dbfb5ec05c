#pragma once
#include "FreeRTOS.h"
using RingbufHandle_t = void *;
struct StaticRingbuffer_t {};
