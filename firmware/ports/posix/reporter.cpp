#include "reporter.h"

#include <cstdio>

#include "text.h"

using namespace mqtt_ota;

namespace {

constexpr size_t kLongest = 1024;

/// A line about an event, printed when it is complete.
class Line {
 public:
  explicit Line(const char *event) { json.key("event").quoted(event); }
  ~Line() {
    const Text written = json.text("}\n").written();
    fwrite(written.data(), 1, written.size(), stdout);
    fflush(stdout);
  }
  Line(const Line &) = delete;
  Line &operator=(const Line &) = delete;

 private:
  char text_[kLongest];

 public:
  TextWriter json{text_, sizeof(text_)};
};

}  // namespace

void Reporter::on_status(const Status &status, uint16_t block_size) {
  Line line("state");
  line.json.key("session").text("\"").hex({status.session.data(), status.session.size()}).text("\"");
  line.json.key("state").quoted(name_of(status.state)).key("held").number(status.held);
  if (status.reason != Reason::none) line.json.key("reason").quoted(name_of(status.reason));
  if (!status.detail.empty()) line.json.key("detail").quoted(first(status.detail, kMaxDetail));
  if (block_size > 0) line.json.key("block_size").number(block_size);
}

void Reporter::on_offer(const Session &session, Transport transport) {
  Line line("offer");
  line.json.key("session").text("\"").hex({session.data(), session.size()}).text("\"");
  line.json.key("transport").quoted(name_of(transport));
}

void Reporter::on_dropped(const char *cause) {
  Line("dropped").json.key("cause").quoted(cause);
}

void Reporter::happened(const char *event) {
  Line line(event);
}

void Reporter::restarts(const std::string &cause, double seconds) {
  char number[32];
  snprintf(number, sizeof(number), "%.3f", seconds);
  Line("restart").json.key("cause").quoted(cause).key("seconds").text(seconds < 0 ? "null" : number);
}

void Reporter::tell_running_(const char *event, bool pending) {
  Line(event).json.key("version").quoted(version_).key("pending").text(pending ? "true" : "false");
}
