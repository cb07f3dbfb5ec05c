#include "scenarios.h"

#include <cstdio>
#include <cstdlib>

#include "esp_ota_ops.h"

using world::shared;

namespace {

/// A live board, however long its power lasts.
int live(const Start &start, const Application &application = {}, uint32_t seconds = 40) {
  return world::live([&] { start(application); }, seconds);
}

world::Terms by_url(const std::string &scheme) {
  world::Terms terms;
  terms.transport = scheme;
  terms.url = scheme + "://house/image";
  return terms;
}

void install(const Start &start) {
  world::offer(new_image());
  CHECK(live(start) == world::kOver);
  check_installed();
  CHECK((world::states() == Strings{"accepted", "transferring", "verifying", "rebooting", "confirmed"}));
  CHECK(shared->frames == 4);
  const Strings announces = world::said("announce");
  CHECK(world::field(announces.front(), "version") == "1.0.0");
  CHECK(world::field(announces.front(), "chip") == "ESP32-C3");
  CHECK(world::field(announces.front(), "mac") == "02:00:00:00:00:a1");
  CHECK(world::field(announces.front(), "slot_size") == std::to_string(world::kSlotSize));
  CHECK(world::field(announces.front(), "rollback") == "true");
  CHECK(announces.front().find(R"(["blocks","http","https"])") != std::string::npos);
  CHECK(world::field(announces[announces.size() - 2], "pending") == "true");
  CHECK(std::string(shared->will) == "mqtt_ota/board/relay-1/availability|offline|1r");
  CHECK((world::said("availability") == Strings{"online", "offline", "online"}));
}

void install_by_url(const Start &start) {
  shared->http_loses_after = 5000;
  shared->http_redirects = 2;
  world::offer(new_image(), by_url("http"));
  CHECK(live(start) == world::kOver);
  check_installed();
  CHECK(shared->ranges == 2);
  CHECK(shared->frames == 0);
}

void install_by_url_without_ranges(const Start &start) {
  shared->http_loses_after = 9000;
  shared->http_ignores_ranges = true;
  world::offer(new_image(), by_url("https"));
  live(start);
  // It comes no further than where the connection breaks off each time.
  check_refused("transport");
  world::begin();
  shared->http_ignores_ranges = true;
  world::offer(new_image(), by_url("https"));
  live(start);
  check_installed();
}

void url_does_not_answer(const Start &start) {
  for (const int status : {403, 404, 500}) {
    world::begin();
    shared->http_status = status;
    world::offer(new_image(), by_url("http"));
    live(start);
    check_refused("transport");
    // What a server will not give is not asked for again; what it cannot give now, is.
    CHECK(shared->requests == (status < 500 ? 1 : 5));
  }
}

void url_leaves_its_scheme(const Start &start) {
  shared->http_redirects = 1;
  shared->http_leaves_scheme = true;
  world::offer(new_image(), by_url("https"));
  live(start);
  check_refused("transport");
  CHECK(shared->requests == 1);
}

void url_goes_round_in_circles(const Start &start) {
  shared->http_redirects = 1000;
  world::offer(new_image(), by_url("http"));
  live(start);
  check_refused("transport");
  CHECK(shared->requests < 10);
}

void url_answers_with_another_range(const Start &start) {
  shared->http_loses_after = 5000;
  shared->http_lies_about_range = true;
  world::offer(new_image(), by_url("http"));
  live(start);
  check_refused("transport");
}

/// Cut the power at one write and go on as a house would. Return false when there are fewer writes.
bool survives(const Start &start, const world::Terms &terms, bool encrypted, int cut_at, bool torn) {
  world::begin();
  shared->is_encrypted = encrypted;
  shared->cut_at = cut_at;
  shared->torn = torn;
  world::offer(new_image(), terms);
  const int ending = live(start, {}, 10);
  if (ending == world::kOver) return false;
  CHECK(ending == world::kCut);
  shared->cut_at = 0;
  CHECK(live(start, {}, 5) == world::kOver);
  // An image that lost its one chance is offered again, in a session of its own.
  if (world::running_version() != "1.1.0") {
    CHECK(world::states().back() == "rolled_back");
    world::Terms again = terms;
    again.session = "ffeeddccbbaa0099";
    world::offer(new_image(), again);
    CHECK(live(start, {}, 10) == world::kOver);
  }
  check_installed();
  return true;
}

void goes_on_after_a_cut(const Start &start) {
  for (const char *scheme : {"", "http"}) {
    world::begin();
    world::Terms terms = *scheme != '\0' ? by_url(scheme) : world::Terms();
    terms.block_size = 1024;
    world::offer(world::make_app("1.1.0", 50000), terms);
    // A block is two writes, and by URL a block is as large as the board has it.
    shared->cut_at = *scheme != '\0' ? 20 : 50;
    CHECK(live(start) == world::kCut);
    shared->cut_at = 0;
    shared->frames = 0;
    CHECK(live(start) == world::kOver);
    CHECK(world::running_version() == "1.1.0");
    CHECK(world::states().back() == "confirmed");
    CHECK(*scheme != '\0' ? shared->ranges == 1 : shared->frames > 0 && shared->frames < 40);
  }
}

void power_cuts(const Start &start, const world::Terms &terms, bool encrypted) {
  for (const bool torn : {false, true}) {
    int cut_at = 1;
    while (survives(start, terms, encrypted, cut_at, torn)) cut_at++;
    CHECK(cut_at > 15);
  }
}

void signature(const Start &start) {
  const Application trusting{{world::key_text(3), world::key_text(7)}, 'p'};
  const std::string text = world::manifest(new_image());
  for (const std::string &wrong :
       {std::string(), world::signature_text(5, text), world::signature_text(7, text + " ")}) {
    world::begin();
    world::Terms terms;
    terms.signature = wrong;
    world::offer(new_image(), terms);
    live(start, trusting);
    check_refused("signature");
    // The slot was not touched.
    CHECK(shared->slots[1][0] == 0xFF);
  }
  world::begin();
  world::Terms terms;
  terms.signature = world::signature_text(7, text);
  world::offer(new_image(), terms);
  CHECK(live(start, trusting) == world::kOver);
  check_installed();
}

void no_key(const Start &start) {
  for (const Strings &keys : {Strings{"nonsense"}, Strings{""}, Strings{world::key_text(3), "BGmj"},
                              Strings{"AwMD" + world::key_text(3).substr(4)}, Strings(5, world::key_text(3))}) {
    world::begin();
    world::offer(new_image());
    live(start, {keys, 'p'});
    CHECK(world::said("announce").empty());
    CHECK(world::running_version() == "1.0.0");
  }
}

void boot_loader_refuses(const Start &start) {
  shared->cannot_activate = true;
  world::offer(new_image());
  live(start);
  check_refused("image");
}

void new_image_dies(const Start &start) {
  shared->new_image_dies = true;
  world::offer(new_image());
  CHECK(live(start) == world::kOver);
  CHECK(world::running_version() == "1.0.0");
  CHECK(world::states().back() == "rolled_back");
  CHECK(world::field(world::said("status").back(), "reason") == "boot");
}

void self_test_fails(const Start &start) {
  world::offer(new_image());
  CHECK(live(start, {{}, 'f'}) == world::kOver);
  CHECK(world::running_version() == "1.0.0");
  CHECK(world::states().back() == "rolled_back");
  CHECK(world::field(world::said("status").back(), "reason") == "self_test");
}

void self_test_takes_long(const Start &start) {
  world::offer(new_image());
  CHECK(live(start, {{}, 'r'}) == world::kOver);
  CHECK(world::running_version() == "1.1.0");
  CHECK(world::states().back() == "rebooting");
  CHECK(shared->states[1] == ESP_OTA_IMG_PENDING_VERIFY);
}

void came_by_cable(const Start &start) {
  // Another updater has left an image that nobody has confirmed yet.
  shared->states[0] = ESP_OTA_IMG_NEW;
  world::offer(new_image());
  CHECK(live(start) == world::kOver);
  check_installed();
}

void cable_ends_a_trial(const Start &start) {
  world::offer(new_image());
  CHECK(live(start, {{}, 'r'}) == world::kOver);
  // Somebody writes the same slot by cable, which leaves the boot loader nothing to wait for.
  shared->states[1] = ESP_OTA_IMG_UNDEFINED;
  CHECK(live(start) == world::kOver);
  CHECK(world::field(world::said("announce").back(), "pending").empty());
  CHECK(world::states().back() == "confirmed");
}

void one_slot(const Start &start) {
  shared->has_one_slot = true;
  live(start);
  CHECK(world::said("announce").empty());
}

void encrypted_odd_size(const Start &start) {
  shared->is_encrypted = true;
  world::offer(world::make_app("1.1.0", 14001));
  CHECK(live(start) == world::kOver);
  CHECK(world::running_version() == "1.1.0");
  CHECK(world::states().back() == "confirmed");
}

}  // namespace

void check(bool truth, const char *text, const char *file, int line) {
  if (truth) return;
  fprintf(stderr, "%s:%d: %s\n%.*s\n", file, line, text, static_cast<int>(shared->said_size), shared->said);
  exit(1);
}

const std::vector<uint8_t> &new_image() {
  static const auto image = world::make_app("1.1.0", 14000);
  return image;
}

void check_installed() {
  const auto &image = new_image();
  CHECK(world::running_version() == "1.1.0");
  CHECK(std::equal(image.begin(), image.end(), shared->slots[shared->running]));
  CHECK(shared->states[shared->running] == ESP_OTA_IMG_VALID);
  CHECK(world::states().back() == "confirmed");
  CHECK(!shared->was_abused);
  const std::string announce = world::said("announce").back();
  CHECK(world::field(announce, "version") == "1.1.0");
  CHECK(world::field(announce, "pending").empty());
}

void check_refused(const std::string &reason) {
  CHECK(world::running_version() == "1.0.0");
  CHECK(world::states().back() == "failed");
  CHECK(world::field(world::said("status").back(), "reason") == reason);
}

Scenarios common(const Start &start) {
  const auto with = [start](void (*scenario)(const Start &)) { return [=] { scenario(start); }; };
  Scenarios all = {
      {"installs blocks", with(install)},
      {"installs from a URL that breaks off and redirects", with(install_by_url)},
      {"installs from a URL without ranges", with(install_by_url_without_ranges)},
      {"says that a URL does not answer", with(url_does_not_answer)},
      {"does not follow a URL into another scheme", with(url_leaves_its_scheme)},
      {"does not follow a URL in circles", with(url_goes_round_in_circles)},
      {"takes no other range than it asked for", with(url_answers_with_another_range)},
      {"goes on after a cut where it was", with(goes_on_after_a_cut)},
      {"takes only what is signed", with(signature)},
      {"does not run with a key that is none", with(no_key)},
      {"keeps the old image when the boot loader refuses the new one", with(boot_loader_refuses)},
      {"is back with the old image when the new one dies", with(new_image_dies)},
      {"goes back when the self test fails", with(self_test_fails)},
      {"confirms nothing while the self test runs", with(self_test_takes_long)},
      {"keeps an image that came another way", with(came_by_cable)},
      {"is not pending for ever when a cable ends a trial", with(cable_ends_a_trial)},
      {"does not begin with one slot", with(one_slot)},
      {"writes encrypted flash in whole cipher blocks", with(encrypted_odd_size)},
  };
  world::Terms small;
  small.block_size = 1024;
  all["survives a cut at every write of blocks"] = [=] { power_cuts(start, {}, false); };
  all["survives a cut at every write of small blocks, encrypted"] = [=] { power_cuts(start, small, true); };
  all["survives a cut at every write of a URL"] = [=] { power_cuts(start, by_url("http"), false); };
  return all;
}

int run(int count, char **arguments, const Scenarios &scenarios) {
  if (count < 2) {
    for (const auto &[name, scenario] : scenarios) printf("%s\n", name.c_str());
    return 0;
  }
  const auto found = scenarios.find(arguments[1]);
  if (found == scenarios.end()) return 2;
  world::begin();
  found->second();
  return 0;
}
