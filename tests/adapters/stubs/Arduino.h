#pragma once
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <utility>
#define ESP_ARDUINO_VERSION_MAJOR 3
using boolean = bool;
void delay(uint32_t milliseconds);
#define log_e(...)                        \
  do {                                    \
    if (false) (void)printf(__VA_ARGS__); \
  } while (false)
void setup();
void loop();
extern "C" bool verifyRollbackLater();
