#include "options.h"

#include <getopt.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "mbedtls_crypto.h"
#include "text.h"

using namespace mqtt_ota;

namespace {

constexpr char kUsage[] = R"(vboard: a virtual board, the native protocol's core on a PC

    vboard --broker HOST:PORT --id ID --state FOLDER [option ...] [--fault NAME[=N] ...]

Options, faults and the lines that it prints are those of `python -m tests.board`, whose package describes them.
Beside these it knows:
    --round-trip S (0): seconds that every message takes to it   --loss PERCENT (0): of the QoS 0 messages to it
    --fault write_error=BYTE: the flash refuses the write that reaches this byte
    --fault bad_block=BYTE: the sector of this byte does not keep what is written
)";

/// The beginning of a P-256 public key in DER; the point follows.
constexpr uint8_t kKeyBeginning[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
                                     0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

[[noreturn]] void refuse(const std::string &what) {
  fprintf(stderr, "vboard: %s\n", what.c_str());
  exit(2);
}

double number(const std::string &text) {
  char *end = nullptr;
  const double value = strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value) || value < 0) refuse("no number: " + text);
  return value;
}

uint32_t whole(const std::string &text, uint32_t low, uint32_t high) {
  uint32_t value = 0;
  if (!read_decimal(text, &value) || value < low || value > high) refuse("out of range: " + text);
  return value;
}

uint32_t milliseconds(const std::string &text) {
  return static_cast<uint32_t>(number(text) * 1000);
}

std::string without(std::string text, const std::string &part) {
  const size_t at = text.find(part);
  return at == std::string::npos ? text : text.erase(at, part.size());
}

/// A public key, given as such or as the name of its file: PEM, or base64 of the point.
PublicKey key(const std::string &given) {
  std::string text = given;
  if (std::ifstream file{given}; given.size() < 256 && file) {
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  text = without(without(text, "-----BEGIN PUBLIC KEY-----"), "-----END PUBLIC KEY-----");
  std::string digits;
  for (const char c : text) {
    if (c != '\n' && c != '\r' && c != ' ') digits += c;
  }
  PublicKey point;
  uint8_t der[sizeof(kKeyBeginning) + 65];
  if (read_base64(digits, der, sizeof(der)) && memcmp(der, kKeyBeginning, sizeof(kKeyBeginning)) == 0) {
    memcpy(point.data(), der + sizeof(kKeyBeginning), point.size());
  } else if (!read_base64(digits, point.data(), point.size())) {
    refuse("no public key");
  }
  if (!MbedtlsCrypto::is_point(point)) refuse("no public key");
  return point;
}

void choose(const std::string &texts, const std::map<std::string, bool *> &choices) {
  for (const auto &choice : choices) *choice.second = false;
  for (size_t begin = 0; begin <= texts.size();) {
    const size_t end = std::min(texts.find(',', begin), texts.size());
    const auto choice = choices.find(texts.substr(begin, end - begin));
    if (choice == choices.end()) refuse("no such choice: " + texts);
    *choice->second = true;
    begin = end + 1;
  }
}

void read_broker(const std::string &text, Options *into) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) refuse("no HOST:PORT: " + text);
  into->host = text.substr(0, colon);
  into->port = static_cast<uint16_t>(whole(text.substr(colon + 1), 1, UINT16_MAX));
}

void read_order(const std::string &text, Settings *into) {
  if (text != "any" && text != "sequential") refuse("no such order: " + text);
  into->order = text == "any" ? Order::any : Order::sequential;
}

using Readers = std::map<std::string, std::function<void(const std::string &)>>;

/// What is taken as it stands.
void add_plain(Options *into, Readers *all) {
  const std::map<std::string, std::string *> texts = {
      {"name", &into->name}, {"model", &into->model},       {"chip", &into->chip},   {"project", &into->project},
      {"mac", &into->mac},   {"version", &into->version},   {"feed", &into->feed},   {"root", &into->root},
      {"user", &into->user}, {"password", &into->password}, {"state", &into->state}, {"id", &into->id},
  };
  for (const auto &one : texts) (*all)[one.first] = [=](const std::string &given) { *one.second = given; };
  const std::map<std::string, double *> numbers = {
      {"rate", &into->rate},
      {"round-trip", &into->round_trip},
      {"loss", &into->loss},
      {"reboot-time", &into->reboot_time},
      {"sleep-time", &into->sleep_time},
      {"awake-time", &into->awake_time},
  };
  for (const auto &one : numbers) (*all)[one.first] = [=](const std::string &given) { *one.second = number(given); };
  const std::map<std::string, uint32_t *> wholes = {{"slot-size", &into->slot_size},
                                                    {"counter", &into->settings.counter},
                                                    {"wake-interval", &into->settings.wake_interval}};
  for (const auto &one : wholes) {
    (*all)[one.first] = [=](const std::string &given) { *one.second = whole(given, 0, UINT32_MAX); };
  }
}

/// What the board's own settings hold in another form.
void add_settings(Settings *into, Readers *all) {
  (*all)["block-size"] = [=](const std::string &given) {
    into->block_size = static_cast<uint16_t>(whole(given, kMinBlockSize, kMaxBlockSize));
  };
  (*all)["window"] = [=](const std::string &given) { into->window = static_cast<uint8_t>(whole(given, 1, 32)); };
  (*all)["ask-timeout"] = [=](const std::string &given) { into->ask_timeout = milliseconds(given); };
  (*all)["give-up"] = [=](const std::string &given) { into->give_up = milliseconds(given); };
  (*all)["order"] = [=](const std::string &given) { read_order(given, into); };
  (*all)["encodings"] = [=](const std::string &given) {
    bool raw = false;
    choose(given, {{"raw", &raw}, {"deflate", &into->deflate}});
  };
  (*all)["transports"] = [=](const std::string &given) {
    choose(given, {{"blocks", &into->blocks}, {"http", &into->http}, {"https", &into->https}});
  };
}

Readers readers(Options *into) {
  Readers all;
  add_plain(into, &all);
  add_settings(&into->settings, &all);
  all["broker"] = [=](const std::string &given) { read_broker(given, into); };
  all["public-key"] = [=](const std::string &given) { into->keys.push_back(key(given)); };
  all["fault"] = [=](const std::string &given) {
    if (!into->faults.choose(given)) refuse("no such fault: " + given);
  };
  return all;
}

/// A locally administered MAC that is always the same for an id.
std::string made_up_mac(const std::string &id) {
  MbedtlsCrypto crypto;
  crypto.sha256_begin();
  crypto.sha256_update(Bytes(Text(id)));
  Sha256 sha256 = {};
  crypto.sha256_finish(&sha256);
  char text[sizeof("02:00:00:00:00:00")];
  snprintf(text, sizeof(text), "02:%02x:%02x:%02x:%02x:%02x", sha256[0], sha256[1], sha256[2], sha256[3], sha256[4]);
  return text;
}

}  // namespace

void read_options(int count, char **arguments, Options *options) {
  options->settings.http = true;
  options->settings.ask_timeout = 1000;
  const Readers all = readers(options);
  std::vector<option> table;
  for (const auto &reader : all) table.push_back({reader.first.c_str(), required_argument, nullptr, 1});
  table.push_back({"help", no_argument, nullptr, 2});
  table.push_back({});
  int place = 0;
  for (int found; (found = getopt_long(count, arguments, "", table.data(), &place)) != -1;) {
    if (found == 2) {
      fputs(kUsage, stdout);
      exit(0);
    }
    if (found != 1) exit(2);
    all.at(table[static_cast<size_t>(place)].name)(optarg);
  }
  if (optind < count || options->host.empty() || options->id.empty() || options->state.empty()) {
    fputs(kUsage, stderr);
    exit(2);
  }
  if (options->mac.empty()) options->mac = made_up_mac(options->id);
  Settings &is = options->settings;
  is.root = options->root;
  is.id = options->id;
  is.name = options->name;
  is.model = options->model;
  is.chip = options->chip;
  is.project = options->project;
  is.mac = options->mac;
  is.feed = options->feed;
  is.keys = options->keys.data();
  is.key_count = options->keys.size();
}
