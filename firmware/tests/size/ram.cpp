#include "board.h"

// All of a board's memory but the block's: its zeros are what `size` counts.
extern unsigned char ram[];
unsigned char ram[sizeof(mqtt_ota::Board) + sizeof(mqtt_ota::BoardMemory<4096>) - 4096];
