#pragma once
#define ESP_LOGE(tag, ...) (void)tag
#define ESP_LOGW(tag, ...) (void)tag
