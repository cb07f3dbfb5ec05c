#include "esp_mqtt_broker.h"

#include <esp_log.h>
#include <freertos/task.h>

#include "join.h"

namespace mqtt_ota {

namespace {

constexpr char kTag[] = "mqtt_ota";
/// Kept free of messages, so that a lost connection is always noted.
constexpr size_t kReserve = 64;
constexpr size_t kPiece = 256;
constexpr uint32_t kGlance = 20;

}  // namespace

bool EspMqttBroker::open(esp_mqtt_client_handle_t client, const Settings &settings, size_t inbox) {
  client_ = client;
  join(own_, {settings.root, "/board/", settings.id, "/"});
  join(shared_, {settings.root, "/image/"});
  inbox_ = xStreamBufferCreate(inbox + kReserve, 1);
  return inbox_ != nullptr && esp_mqtt_client_register_event(client, MQTT_EVENT_ANY, on_event_, this) == ESP_OK;
}

bool EspMqttBroker::hear(Board &board, uint32_t milliseconds) {
  Note note;
  const size_t got = xStreamBufferReceive(inbox_, &note, sizeof(note), pdMS_TO_TICKS(milliseconds));
  if (got == 0) return false;
  take_(reinterpret_cast<uint8_t *>(&note) + got, sizeof(note) - got);
  char topic[kMaxTopic];
  take_(topic, note.topic_size);
  switch (note.kind) {
    case Kind::connected:
      online_ = true;
      board.connected();
      break;
    case Kind::disconnected:
      online_ = false;
      board.disconnected();
      break;
    case Kind::message:
      board.message({topic, note.topic_size}, note.total);
      break;
    case Kind::piece:
      break;
  }
  tell_(board, note.size);
  return true;
}

void EspMqttBroker::flush(uint32_t milliseconds) const {
  for (uint32_t waited = 0; waited < milliseconds && esp_mqtt_client_get_outbox_size(client_) > 0; waited += kGlance) {
    vTaskDelay(pdMS_TO_TICKS(kGlance));
  }
}

void EspMqttBroker::publish(const char *topic, Bytes payload, uint8_t qos, bool retain) {
  // A length of 0 would make the client measure a string.
  if (payload.size == 0) return;
  esp_mqtt_client_publish(client_, topic, reinterpret_cast<const char *>(payload.data), static_cast<int>(payload.size),
                          qos, retain ? 1 : 0);
}

void EspMqttBroker::subscribe(const char *topic, uint8_t qos) {
  esp_mqtt_client_subscribe_single(client_, topic, qos);
}

void EspMqttBroker::unsubscribe(const char *topic) {
  esp_mqtt_client_unsubscribe(client_, topic);
}

void EspMqttBroker::on_event_(void *self, esp_event_base_t, int32_t id, void *event) {
  auto *broker = static_cast<EspMqttBroker *>(self);
  switch (id) {
    case MQTT_EVENT_CONNECTED:
      broker->note_({Kind::connected, 0, 0, 0}, nullptr, nullptr);
      break;
    case MQTT_EVENT_DISCONNECTED:
      broker->noting_ = false;
      broker->note_({Kind::disconnected, 0, 0, 0}, nullptr, nullptr);
      break;
    case MQTT_EVENT_DATA:
      broker->note_message_(*static_cast<const esp_mqtt_event_t *>(event));
      break;
    default:
      break;
  }
}

/// Lay down a message, or the next piece of one. Where there is no room the rest of it is left out, and it counts as
/// lost, which the board can live with.
void EspMqttBroker::note_message_(const esp_mqtt_event_t &event) {
  Note note{Kind::piece, 0, static_cast<uint16_t>(event.data_len), static_cast<uint32_t>(event.total_data_len)};
  if (event.current_data_offset == 0) {
    noting_ = is_mine_({event.topic, static_cast<size_t>(event.topic_len)});
    note.kind = Kind::message;
    note.topic_size = static_cast<uint8_t>(event.topic_len);
  }
  if (!noting_) return;
  const size_t needed = sizeof(note) + note.topic_size + note.size + kReserve;
  noting_ = event.data_len <= UINT16_MAX && xStreamBufferSpacesAvailable(inbox_) >= needed &&
            note_(note, event.topic, event.data);
  if (!noting_) ESP_LOGW(kTag, "no room for a message: it is left out");
}

bool EspMqttBroker::note_(const Note &note, const char *topic, const char *bytes) {
  // Only this task writes, so the room that was there once is still there.
  if (xStreamBufferSpacesAvailable(inbox_) < sizeof(note)) return false;
  xStreamBufferSend(inbox_, &note, sizeof(note), 0);
  if (note.topic_size > 0) xStreamBufferSend(inbox_, topic, note.topic_size, 0);
  if (note.size > 0) xStreamBufferSend(inbox_, bytes, note.size, 0);
  return true;
}

bool EspMqttBroker::is_mine_(Text topic) const {
  return topic.size() < kMaxTopic && (begins_with(topic, own_) || begins_with(topic, shared_));
}

void EspMqttBroker::take_(void *into, size_t size) const {
  auto *bytes = static_cast<uint8_t *>(into);
  for (size_t taken = 0; taken < size;) {
    taken += xStreamBufferReceive(inbox_, bytes + taken, size - taken, portMAX_DELAY);
  }
}

void EspMqttBroker::tell_(Board &board, size_t size) const {
  uint8_t piece[kPiece];
  while (size > 0) {
    const size_t length = size < sizeof(piece) ? size : sizeof(piece);
    take_(piece, length);
    board.piece({piece, length});
    size -= length;
  }
}

}  // namespace mqtt_ota
