#include "world.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <set>

#include "esp_ota_ops.h"
#include "frame.h"
#include "sha256.h"

namespace world {

Shared *shared = nullptr;

namespace {

constexpr char kBoard[] = "mqtt_ota/board/relay-1/";
constexpr size_t kVersionAt = 48;

// Of one life only.
std::deque<Message> coming;
std::set<std::string> topics;

std::string hex(const uint8_t *bytes, size_t size) {
  std::string text;
  char two[3];
  for (size_t place = 0; place < size; place++) {
    snprintf(two, sizeof(two), "%02x", bytes[place]);
    text += two;
  }
  return text;
}

std::string base64(const std::vector<uint8_t> &bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t place = 0; place < bytes.size(); place += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - place);
    uint32_t bits = 0;
    for (size_t one = 0; one < 3; one++) bits = bits << 8 | (one < count ? bytes[place + one] : 0);
    for (size_t one = 0; one < 4; one++) text += one <= count ? digits[bits >> (18 - 6 * one) & 63] : '=';
  }
  return text;
}

std::vector<uint8_t> image() {
  return {shared->image.bytes, shared->image.bytes + shared->image.size};
}

std::string frame(uint32_t offset, size_t size) {
  const auto sha256 = sha256_of(image());
  mqtt_ota::Crc32 crc;
  crc.add({shared->image.bytes + offset, size});
  uint8_t header[mqtt_ota::kFrameHeader] = {1, 0};
  std::copy_n(sha256.begin(), 8, header + 2);
  mqtt_ota::put_u32(header + 10, offset);
  mqtt_ota::put_u16(header + 14, static_cast<uint16_t>(size));
  mqtt_ota::put_u32(header + 16, crc.value());
  const auto *bytes = reinterpret_cast<const char *>(shared->image.bytes + offset);
  return std::string(reinterpret_cast<char *>(header), sizeof(header)) + std::string(bytes, size);
}

void answer_want(const std::string &want) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(want.data());
  const uint32_t block_size = mqtt_ota::get_u16(bytes + 10);
  const uint32_t first = mqtt_ota::get_u32(bytes + 12);
  for (uint32_t place = 0; place < 8 * (want.size() - mqtt_ota::kWantHeader); place++) {
    if ((bytes[mqtt_ota::kWantHeader + place / 8] >> place % 8 & 1) == 0) continue;
    const uint32_t offset = (first + place) * block_size;
    shared->frames++;
    for (uint32_t copy = 0; copy < shared->frame_copies; copy++) {
      bring(shared->frames_topic, frame(offset, std::min(block_size, shared->image.size - offset)));
    }
  }
}

void hear(const std::string &kind, const std::string &payload) {
  if (kind == "want") {
    answer_want(payload);
  } else if (kind == "availability" && payload == "online" && shared->offers) {
    if (shared->noise > 0) coming.push_back({"lamp/picture", std::string(shared->noise, 'x')});
    bring(std::string(kBoard) + "offer", shared->offer);
  } else if (kind == "status") {
    const std::string state = field(payload, "state");
    if (state == "confirmed" || state == "rolled_back" || state == "failed") shared->offers = false;
  }
}

/// What the boot loader does when the power comes.
void boot() {
  int &chosen = shared->chosen;
  int &state = shared->states[chosen];
  if (state == ESP_OTA_IMG_NEW) {
    state = ESP_OTA_IMG_PENDING_VERIFY;
  } else if (state != ESP_OTA_IMG_VALID && state != ESP_OTA_IMG_UNDEFINED) {
    if (state == ESP_OTA_IMG_PENDING_VERIFY) state = ESP_OTA_IMG_ABORTED;
    chosen = 1 - chosen;
  }
  shared->running = chosen;
}

int one_life(const std::function<void()> &application) {
  fflush(nullptr);
  const pid_t board = fork();
  if (board == 0) {
    boot();
    if (shared->new_image_dies && shared->states[shared->running] == ESP_OTA_IMG_PENDING_VERIFY) _exit(kRestart);
    application();
    // An application lives until its power goes.
    _exit(kBroken);
  }
  int status = 0;
  waitpid(board, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kBroken;
}

}  // namespace

void begin() {
  if (shared == nullptr) {
    shared =
        static_cast<Shared *>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  memset(static_cast<void *>(shared), 0, sizeof(Shared));
  memset(shared->slots, 0xFF, sizeof(shared->slots));
  const auto app = make_app("1.0.0", 4096);
  std::copy(app.begin(), app.end(), shared->slots[0]);
  shared->states[0] = ESP_OTA_IMG_UNDEFINED;
  shared->states[1] = ESP_OTA_IMG_UNDEFINED;
  shared->frame_copies = 1;
  shared->piece = 1024;
  // Soon around the corner of 32 bits.
  shared->time = UINT32_MAX - 1500;
}

std::vector<uint8_t> make_app(const std::string &version, size_t size) {
  std::vector<uint8_t> app(size);
  uint32_t state = static_cast<uint32_t>(version.back()) * 2654435761U;
  for (auto &byte : app) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  const std::vector<uint8_t> head = {0xE9, 2, 2, 0x1F, 0, 0, 0x38, 0x40, 0xEE, 0, 0, 0, 5, 0, 0, 0};
  std::fill_n(app.begin(), 112, uint8_t{0});
  std::copy(head.begin(), head.end(), app.begin());
  const std::vector<uint8_t> magic = {0x32, 0x54, 0xCD, 0xAB};
  std::copy(magic.begin(), magic.end(), app.begin() + 32);
  std::copy(version.begin(), version.end(), app.begin() + kVersionAt);
  const std::string project = "relay";
  std::copy(project.begin(), project.end(), app.begin() + 80);
  return app;
}

std::string running_version() {
  return reinterpret_cast<const char *>(shared->slots[shared->running] + kVersionAt);
}

std::string manifest(const std::vector<uint8_t> &image, uint32_t counter) {
  const auto sha256 = sha256_of(image);
  const std::string version = reinterpret_cast<const char *>(image.data() + kVersionAt);
  return "mqtt_ota 1\nmodel=relay\nchip=ESP32-C3\nversion=" + version + "\nsize=" + std::to_string(image.size()) +
         "\nsha256=" + hex(sha256.data(), sha256.size()) + "\ncounter=" + std::to_string(counter) + "\n";
}

std::string key_text(uint8_t seed) {
  std::vector<uint8_t> key(65, seed);
  key[0] = 4;
  return base64(key);
}

std::string signature_text(uint8_t seed, const std::string &text) {
  std::vector<uint8_t> signature(32, seed);
  const auto sha256 = sha256_of({text.begin(), text.end()});
  signature.insert(signature.end(), sha256.begin(), sha256.end());
  return base64(signature);
}

void offer(const std::vector<uint8_t> &image, const Terms &terms) {
  shared->image.size = static_cast<uint32_t>(image.size());
  std::copy(image.begin(), image.end(), shared->image.bytes);
  std::string text;
  for (const char c : manifest(image, terms.counter)) text += c == '\n' ? std::string("\\n") : std::string(1, c);
  const std::string topic = std::string(kBoard) + "block";
  std::string json = R"({"protocol":1,"session":")" + terms.session + R"(","manifest":")" + text +
                     R"(","transport":")" + terms.transport + "\"";
  if (!terms.signature.empty()) json += R"(,"signature":")" + terms.signature + "\"";
  if (terms.transport == "blocks") {
    json += R"(,"topic":")" + topic + R"(","block_size":)" + std::to_string(terms.block_size) + R"(,"window":8})";
  } else {
    json += R"(,"url":")" + terms.url + "\"}";
  }
  snprintf(shared->frames_topic, sizeof(shared->frames_topic), "%s", topic.c_str());
  snprintf(shared->offer, sizeof(shared->offer), "%s", json.c_str());
  shared->offers = true;
}

int live(const std::function<void()> &application, uint32_t seconds) {
  shared->end = shared->time + seconds * 1000;
  int ending = kRestart;
  for (int lives = 0; ending == kRestart && lives < 10; lives++) ending = one_life(application);
  return ending;
}

std::vector<std::string> said(const std::string &kind) {
  std::vector<std::string> payloads;
  const std::string all(shared->said, shared->said_size);
  const std::string mark = std::string(kBoard) + kind + "|";
  for (size_t at = 0; at < all.size();) {
    const size_t end = all.find('\n', at);
    const std::string line = all.substr(at, end - at);
    if (line.rfind(mark, 0) == 0) payloads.push_back(line.substr(mark.size() + 4));
    at = end + 1;
  }
  return payloads;
}

std::vector<std::string> states() {
  std::vector<std::string> states;
  for (const std::string &status : said("status")) {
    const std::string state = field(status, "state");
    if (states.empty() || states.back() != state) states.push_back(state);
  }
  return states;
}

std::string field(const std::string &json, const std::string &name) {
  const size_t at = json.find("\"" + name + "\":");
  if (at == std::string::npos) return "";
  size_t from = at + name.size() + 3;
  const bool is_text = json[from] == '"';
  if (is_text) from++;
  return json.substr(from, json.find_first_of(is_text ? "\"" : ",}", from) - from);
}

std::optional<Message> next_message() {
  if (coming.empty()) return {};
  const Message message = coming.front();
  coming.pop_front();
  return message;
}

void bring(const std::string &topic, const std::string &payload) {
  if (topics.count(topic) > 0) coming.push_back({topic, payload});
}

void say(const std::string &topic, const std::string &payload, int qos, bool retain) {
  const std::string kind = topic.rfind(kBoard, 0) == 0 ? topic.substr(strlen(kBoard)) : "";
  if (kind != "want") {
    const std::string line = topic + "|" + std::to_string(qos) + (retain ? "r" : "-") + "| " + payload + "\n";
    if (shared->said_size + line.size() > sizeof(shared->said)) _exit(kBroken);
    std::copy(line.begin(), line.end(), shared->said + shared->said_size);
    shared->said_size += static_cast<uint32_t>(line.size());
  }
  hear(kind, payload);
}

void listen(const std::string &topic, bool on) {
  if (on) {
    topics.insert(topic);
  } else {
    topics.erase(topic);
  }
}

void connected(const std::string &will_topic, const std::string &will) {
  topics.clear();
  coming.clear();
  snprintf(shared->will, sizeof(shared->will), "%s|%s", will_topic.c_str(), will.c_str());
}

void pass(uint32_t milliseconds) {
  shared->time += milliseconds;
  if (static_cast<int32_t>(shared->time - shared->end) >= 0) _exit(kOver);
}

}  // namespace world
