#pragma once
#ifdef __cplusplus
extern "C"
#endif
    void esp_restart(void) __attribute__((noreturn));
