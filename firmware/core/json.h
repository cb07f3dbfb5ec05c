#pragma once

#include "bytes.h"

namespace mqtt_ota {

enum class JsonKind : uint8_t { absent, text, number, other };

/// A field of a JSON object that the reader of the object asks for.
struct JsonField {
  const char *name = "";
  JsonKind kind = JsonKind::absent;
  /// The characters of a text, unescaped; those of a number as they stand, which may still be no number.
  Text value = {};
};

/// Read one JSON object (RFC 8259) and fill the fields that are asked for; the last of a name counts.
///
/// Texts are unescaped where they lie, so what was read is spoilt. False for anything else, for objects and lists
/// within each other by more than eight, and for invalid UTF-8.
bool read_json_object(char *json, size_t size, JsonField *fields, size_t count);

}  // namespace mqtt_ota
