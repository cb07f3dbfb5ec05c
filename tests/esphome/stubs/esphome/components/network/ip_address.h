#pragma once
// In the place of ESPHome's own, which is made of lwIP.
#include <lwip/ip_addr.h>

#include <array>
#include <cstddef>
#include <string>

#include "esphome/core/helpers.h"
namespace esphome::network {
static constexpr size_t IP_ADDRESS_BUFFER_SIZE = 40;
struct IPAddress {
  char *str_to(char *into) const;
};
using IPAddresses = std::array<IPAddress, 5>;
}  // namespace esphome::network
