#pragma once
#include "esp_err.h"
extern "C" [[noreturn]] void esp_system_abort(const char *why);
