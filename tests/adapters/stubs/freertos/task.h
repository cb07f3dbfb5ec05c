#pragma once
#include "FreeRTOS.h"
typedef void (*TaskFunction_t)(void *);
typedef struct Task *TaskHandle_t;
#ifdef __cplusplus
extern "C" {
#endif
BaseType_t xTaskCreate(TaskFunction_t code, const char *name, uint32_t stack, void *argument, UBaseType_t priority,
                       TaskHandle_t *task);
void vTaskDelay(TickType_t ticks);
#ifdef __cplusplus
}
#endif
