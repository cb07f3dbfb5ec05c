#pragma once

#include "esphome/core/defines.h"

// What this platform supplies to the core: a `Flash`, a `Store` and a `Link`, each in the same shape everywhere.
#ifdef USE_HOST
#include "flash_host.h"
#include "link_host.h"
#include "store_host.h"
#else
#include "flash_esp32.h"
#include "link_esp32.h"
#include "store_esp32.h"
#endif
