#pragma once
#include "esp_err.h"
typedef const char *esp_event_base_t;
typedef void (*esp_event_handler_t)(void *arg, esp_event_base_t base, int32_t id, void *event);
#ifdef __cplusplus
extern "C"
#endif
    esp_err_t esp_event_loop_create_default(void);
