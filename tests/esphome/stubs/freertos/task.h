#pragma once
#include "FreeRTOS.h"
using TaskHandle_t = void *;
TaskHandle_t xTaskGetCurrentTaskHandle();
TickType_t xTaskGetTickCount();
BaseType_t xTaskNotifyGive(TaskHandle_t task);
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks);
void vTaskDelay(TickType_t ticks);
void vTaskNotifyGiveFromISR(TaskHandle_t task, BaseType_t *woken);
constexpr TickType_t portTICK_PERIOD_MS = 1;
BaseType_t xPortInIsrContext();
void vPortYield();
BaseType_t xTaskNotifyGiveIndexed(TaskHandle_t task, UBaseType_t index);
uint32_t ulTaskNotifyTakeIndexed(UBaseType_t index, BaseType_t clear, TickType_t ticks);
void vTaskNotifyGiveIndexedFromISR(TaskHandle_t task, UBaseType_t index, BaseType_t *woken);
const char *pcTaskGetName(TaskHandle_t task);
