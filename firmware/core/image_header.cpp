#include "image_header.h"

namespace mqtt_ota {

namespace {

constexpr uint8_t kMagic = 0xE9;
constexpr uint8_t kMagicOfTwoParts = 0xEA;
constexpr uint8_t kMaxSegments = 16;
constexpr size_t kChipAt = 12;
constexpr size_t kDescriptorAt = 32;
constexpr uint32_t kDescriptorMagic = 0xABCD5432;

struct Chip {
  const char *name;
  uint16_t id;
};

constexpr Chip kChips[] = {
    {"ESP32", 0x00},     {"ESP32-S2", 0x02}, {"ESP32-C3", 0x05},  {"ESP32-S3", 0x09},  {"ESP32-C2", 0x0C},
    {"ESP32-C6", 0x0D},  {"ESP32-H2", 0x10}, {"ESP32-P4", 0x12},  {"ESP32-C61", 0x14}, {"ESP32-C5", 0x17},
    {"ESP32-H21", 0x19}, {"ESP32-H4", 0x1C}, {"ESP32-E22", 0x1F}, {"ESP32-S31", 0x20},
};

/// Only ESP32 images carry a descriptor, and the chip that they are for.
bool is_for(Bytes head, const Chip &chip) {
  return head.size >= kImageHead && head.data[1] >= 1 && head.data[1] <= kMaxSegments &&
         get_u16(head.data + kChipAt) == chip.id && get_u32(head.data + kDescriptorAt) == kDescriptorMagic;
}

}  // namespace

bool is_bootable(Bytes head, Text chip) {
  if (!begins_with(chip, "ESP")) return true;
  if (head.size == 0) return false;
  const uint8_t magic = head.data[0];
  for (const Chip &known : kChips) {
    if (chip == known.name) return magic == kMagic && is_for(head, known);
  }
  return magic == kMagic || magic == kMagicOfTwoParts;
}

}  // namespace mqtt_ota
