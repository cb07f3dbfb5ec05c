#include <cstring>
#include <new>

// A program without the core, and with it: the difference is what the core adds to a firmware.
namespace {

char text[2][64];

/// What every firmware has of the C library anyway.
size_t use_library(size_t size) {
  memset(text[0], 'x', size);
  memcpy(text[1], text[0], size);
  memmove(text[0], text[1], size);
  return strlen(text[0]) + static_cast<size_t>(memcmp(text[0], text[1], size)) +
         (memchr(text[0], 'y', size) != nullptr ? 1 : 0);
}

}  // namespace

#ifdef WITH_CORE
#include "board.h"

namespace {

using namespace mqtt_ota;

// What a platform would supply, as far as the compiler can tell.
Ports *volatile ports;
Settings *volatile settings;
Memory *volatile memory;
void *volatile place;

void live(const char *message, size_t size) {
  Board &board = *new (place) Board(*settings, *ports, *memory);
  board.begin();
  board.connected();
  board.message(message, size);
  board.piece(Bytes(Text(message, size)));
  board.received(message, Bytes(Text(message, size)));
  board.fetched(Bytes(Text(message, size)));
  board.fetch_failed(message);
  board.loop();
  board.disconnected();
  board.leave(Availability::asleep);
  if (board.is_transferring() || board.is_pending() || board.held() > board.idle_time()) live(message, size / 2);
}

}  // namespace
#endif

int main(int count, char **) {
  const size_t size = use_library(static_cast<size_t>(count));
#ifdef WITH_CORE
  live(text[0], size);
#endif
  return static_cast<int>(size);
}
