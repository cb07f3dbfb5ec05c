#pragma once
#include "esp_err.h"
esp_err_t esp_task_wdt_reset();
