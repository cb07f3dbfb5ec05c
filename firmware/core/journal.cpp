#include "journal.h"

#include <type_traits>

#include "text.h"

namespace mqtt_ota {

namespace {

// No byte is kept that nobody has set.
static_assert(std::has_unique_object_representations_v<Record>);
static_assert(std::has_unique_object_representations_v<Trial>);
static_assert(std::has_unique_object_representations_v<Verdict>);
static_assert(std::has_unique_object_representations_v<Running>);

/// A chunk as it is kept: its number, then its bits.
constexpr size_t kKeptChunk = 2 + Held::kChunkBytes;

struct ChunkName {
  explicit ChunkName(uint32_t place) {
    TextWriter name(text, sizeof(text));
    name.put("held");
    name.put(place);
  }
  char text[12];
};

}  // namespace

bool Journal::read(Record *record) const {
  return read_("record", record, sizeof(*record)) && record->size > 0 && record->block_size >= kMinBlockSize &&
         record->block_size <= kMaxBlockSize;
}

uint32_t Journal::counter() const {
  uint32_t counter = 0;
  return read_("counter", &counter, sizeof(counter)) ? counter : 0;
}

bool Journal::write_counter(uint32_t counter) {
  return counter <= this->counter() || write_("counter", &counter, sizeof(counter));
}

bool Journal::read_(const char *name, void *value, size_t size) const {
  return store_.get(name, static_cast<uint8_t *>(value), size) == size;
}

bool Journal::write_(const char *name, const void *value, size_t size) {
  return store_.put(name, {static_cast<const uint8_t *>(value), size});
}

void Journal::forget_record() {
  store_.erase("record");
}

void Journal::forget_trial() {
  store_.erase("trial");
}

bool Journal::keep(const Held &held, uint32_t number) {
  const uint32_t chunk = number / Held::kChunkBlocks;
  uint8_t kept[kKeptChunk];
  put_u16(kept, static_cast<uint16_t>(chunk));
  held.save_chunk(chunk, kept + 2);
  return store_.put(ChunkName(chunk % held.chunks()).text, {kept, sizeof(kept)});
}

bool Journal::keep_all(const Held &held) {
  bool good = true;
  for (uint32_t chunk = held.base(); good && chunk < held.base() + held.chunks(); chunk++) {
    const bool is_used = chunk < Held::chunk_count(held.count());
    good = is_used ? keep(held, chunk * Held::kChunkBlocks) : store_.erase(ChunkName(chunk % held.chunks()).text);
  }
  return good;
}

void Journal::restore(uint32_t count, Held *held) const {
  const auto get = [&](uint32_t place, uint8_t *kept) {
    return store_.get(ChunkName(place).text, kept, kKeptChunk) == kKeptChunk &&
           get_u16(kept) % held->chunks() == place && get_u16(kept) < Held::chunk_count(count);
  };
  uint8_t kept[kKeptChunk];
  uint32_t highest = 0;
  for (uint32_t place = 0; place < held->chunks(); place++) {
    if (get(place, kept) && get_u16(kept) > highest) highest = get_u16(kept);
  }
  held->restore(count, highest);
  for (uint32_t place = 0; place < held->chunks(); place++) {
    if (get(place, kept)) held->restore_chunk(get_u16(kept), kept + 2);
  }
}

}  // namespace mqtt_ota
