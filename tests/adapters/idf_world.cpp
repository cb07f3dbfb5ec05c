// FreeRTOS and esp-mqtt. The one task that is made runs in `run_task`; whenever it waits, the client's task has its
// turn.
#include "idf_world.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <string>
#include <thread>

#include "esp_event.h"
#include "esp_netif.h"
#include "freertos/FreeRTOS.h"
#include "freertos/stream_buffer.h"
#include "freertos/task.h"
#include "mqtt_client.h"
#include "protocol_examples_common.h"
#include "world.h"

struct esp_mqtt_client {
  esp_event_handler_t handler = nullptr;
  void *argument = nullptr;
  std::string will_topic;
  std::string will;
  bool is_connected = false;
  int outbox = 0;
};

struct StreamBuffer {
  size_t size;
  std::deque<uint8_t> bytes;
};

namespace {

esp_mqtt_client client;
TaskFunction_t task = nullptr;
void *task_argument = nullptr;
std::thread::id task_thread;
uint32_t messages = 0;

void tell(esp_mqtt_event_t event) {
  event.client = &client;
  client.handler(client.argument, "mqtt", event.event_id, &event);
}

esp_mqtt_event_t event_of(esp_mqtt_event_id_t id) {
  esp_mqtt_event_t event = {};
  event.event_id = id;
  return event;
}

/// A message in pieces, of which only the first has the topic, from a buffer that holds other things afterwards.
void tell_message(const world::Message &message) {
  const size_t piece = world::shared->piece;
  for (size_t at = 0; at == 0 || at < message.payload.size(); at += piece) {
    std::string topic = at == 0 ? message.topic : "";
    std::string bytes = message.payload.substr(at, piece);
    esp_mqtt_event_t event = event_of(MQTT_EVENT_DATA);
    event.topic = at == 0 ? topic.data() : nullptr;
    event.topic_len = static_cast<int>(topic.size());
    event.data = bytes.data();
    event.data_len = static_cast<int>(bytes.size());
    event.total_data_len = static_cast<int>(message.payload.size());
    event.current_data_offset = static_cast<int>(at);
    tell(event);
  }
}

/// Let the connection break off; the client makes another one, and what was on its way is lost.
void break_connection() {
  tell(event_of(MQTT_EVENT_DISCONNECTED));
  world::connected(client.will_topic, client.will);
  tell(event_of(MQTT_EVENT_CONNECTED));
}

/// Let the client's task take everything that the network has.
bool client_turn() {
  client.outbox = 0;
  bool any = false;
  while (auto message = world::next_message()) {
    tell_message(*message);
    any = true;
    if (++messages == world::shared->breaks_after) {
      messages = 0;
      break_connection();
    }
  }
  return any;
}

}  // namespace

void run_task() {
  task_thread = std::this_thread::get_id();
  task(task_argument);
}

BaseType_t xTaskCreate(TaskFunction_t code, const char *, uint32_t, void *argument, UBaseType_t, TaskHandle_t *) {
  task = code;
  task_argument = argument;
  return pdPASS;
}

void vTaskDelay(TickType_t ticks) {
  // Time goes by in the component's task alone.
  if (std::this_thread::get_id() != task_thread) return std::this_thread::yield();
  world::pass(ticks);
  client_turn();
}

StreamBufferHandle_t xStreamBufferCreate(size_t size, size_t) {
  return new StreamBuffer{size, {}};
}

size_t xStreamBufferSend(StreamBufferHandle_t buffer, const void *from, size_t size, TickType_t) {
  const size_t count = std::min(size, buffer->size - buffer->bytes.size());
  const auto *bytes = static_cast<const uint8_t *>(from);
  buffer->bytes.insert(buffer->bytes.end(), bytes, bytes + count);
  return count;
}

size_t xStreamBufferReceive(StreamBufferHandle_t buffer, void *into, size_t size, TickType_t wait) {
  if (size == 0) return 0;
  if (buffer->bytes.empty() && !client_turn()) {
    // What is waited for without end would never come.
    if (wait == portMAX_DELAY) _exit(world::kBroken);
    world::pass(wait);
  }
  const size_t count = std::min(size, buffer->bytes.size());
  std::copy_n(buffer->bytes.begin(), count, static_cast<uint8_t *>(into));
  buffer->bytes.erase(buffer->bytes.begin(), buffer->bytes.begin() + static_cast<long>(count));
  return count;
}

size_t xStreamBufferSpacesAvailable(StreamBufferHandle_t buffer) {
  return buffer->size - buffer->bytes.size();
}

esp_err_t esp_event_loop_create_default(void) {
  return ESP_OK;
}

esp_err_t esp_netif_init(void) {
  return ESP_OK;
}

esp_err_t example_connect(void) {
  return ESP_OK;
}

esp_mqtt_client_handle_t esp_mqtt_client_init(const esp_mqtt_client_config_t *config) {
  const auto &will = config->session.last_will;
  if (will.topic != nullptr) client.will_topic = will.topic;
  if (will.msg != nullptr) client.will = std::string(will.msg) + (will.qos == 1 && will.retain != 0 ? "|1r" : "");
  return &client;
}

esp_err_t esp_mqtt_client_register_event(esp_mqtt_client_handle_t, esp_mqtt_event_id_t, esp_event_handler_t handler,
                                         void *argument) {
  client.handler = handler;
  client.argument = argument;
  return ESP_OK;
}

esp_err_t esp_mqtt_client_start(esp_mqtt_client_handle_t) {
  client.is_connected = true;
  world::connected(client.will_topic, client.will);
  tell(event_of(MQTT_EVENT_CONNECTED));
  return ESP_OK;
}

esp_err_t esp_mqtt_client_disconnect(esp_mqtt_client_handle_t) {
  client.is_connected = false;
  return ESP_OK;
}

int esp_mqtt_client_publish(esp_mqtt_client_handle_t, const char *topic, const char *from, int size, int qos,
                            int retain) {
  if (!client.is_connected) return -1;
  if (qos > 0) client.outbox += size;
  world::say(topic, {from, static_cast<size_t>(size)}, qos, retain != 0);
  return 1;
}

int esp_mqtt_client_subscribe_single(esp_mqtt_client_handle_t, const char *topic, int) {
  world::listen(topic, true);
  return 1;
}

int esp_mqtt_client_unsubscribe(esp_mqtt_client_handle_t, const char *topic) {
  world::listen(topic, false);
  return 1;
}

int esp_mqtt_client_get_outbox_size(esp_mqtt_client_handle_t) {
  return client.outbox;
}
