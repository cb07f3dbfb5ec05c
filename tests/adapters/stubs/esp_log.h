#pragma once
#include <stdio.h>
// Formats are checked, nothing is said.
#define STUB_LOG(tag, ...)       \
  do {                           \
    if (0) {                     \
      (void)(tag);               \
      (void)printf(__VA_ARGS__); \
    }                            \
  } while (0)
#define ESP_LOGE(tag, ...) STUB_LOG(tag, __VA_ARGS__)
#define ESP_LOGW(tag, ...) STUB_LOG(tag, __VA_ARGS__)
#define ESP_LOGI(tag, ...) STUB_LOG(tag, __VA_ARGS__)
