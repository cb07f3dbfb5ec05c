#include "reporter.h"

#include <cstdio>

#include "text.h"

using namespace mqtt_ota;

namespace {

constexpr size_t kLongest = 1024;

/// A line about an event, printed when it is complete.
class Line {
 public:
  explicit Line(const char *event) { json.text("event", event); }
  ~Line() {
    const Text written = json.end();
    fwrite(written.data(), 1, written.size(), stdout);
    fputc('\n', stdout);
    fflush(stdout);
  }
  Line(const Line &) = delete;
  Line &operator=(const Line &) = delete;

 private:
  char text_[kLongest];

 public:
  JsonWriter json{text_, sizeof(text_)};
};

}  // namespace

void Reporter::on_status(const Status &status, uint16_t block_size) {
  Line line("state");
  line.json.hex("session", {status.session.data(), status.session.size()});
  line.json.text("state", name_of(status.state));
  line.json.number("held", status.held);
  if (status.reason != Reason::none) line.json.text("reason", name_of(status.reason));
  if (!status.detail.empty()) line.json.text("detail", first(status.detail, kMaxDetail));
  if (block_size > 0) line.json.number("block_size", block_size);
}

void Reporter::on_offer(const Session &session, Transport transport) {
  Line line("offer");
  line.json.hex("session", {session.data(), session.size()});
  line.json.text("transport", name_of(transport));
}

void Reporter::on_dropped(const char *cause) {
  Line("dropped").json.text("cause", cause);
}

void Reporter::happened(const char *event) {
  Line line(event);
}

void Reporter::restarts(const std::string &cause, double seconds) {
  char number[32];
  snprintf(number, sizeof(number), "%.3f", seconds);
  Line line("restart");
  line.json.text("cause", cause);
  line.json.raw("seconds", seconds < 0 ? "null" : number);
}

void Reporter::tell_running_(const char *event, bool pending) {
  Line line(event);
  line.json.text("version", version_);
  line.json.raw("pending", pending ? "true" : "false");
}
