#pragma once
#include "FreeRTOS.h"
typedef struct StreamBuffer *StreamBufferHandle_t;
#ifdef __cplusplus
extern "C" {
#endif
StreamBufferHandle_t xStreamBufferCreate(size_t size, size_t trigger);
size_t xStreamBufferSend(StreamBufferHandle_t buffer, const void *from, size_t size, TickType_t wait);
size_t xStreamBufferReceive(StreamBufferHandle_t buffer, void *into, size_t size, TickType_t wait);
size_t xStreamBufferSpacesAvailable(StreamBufferHandle_t buffer);
#ifdef __cplusplus
}
#endif
