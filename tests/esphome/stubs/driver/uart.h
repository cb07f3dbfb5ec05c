#pragma once
enum uart_port_t { UART_NUM_0 };
