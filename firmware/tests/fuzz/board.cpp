#include "board.h"

#include "../bench.h"
#include "fuzz.h"

using namespace mqtt_ota;

// Any messages in any order, with time and power as they come: the running image stays what it was.

namespace {

/// Takes an input apart.
class Script {
 public:
  Script(const uint8_t *input, size_t size) : rest_(input, size) {}
  bool has_more() const { return rest_.size > 0; }
  uint8_t number() {
    const uint8_t number = has_more() ? rest_.data[0] : 0;
    rest_ = rest_.after(1);
    return number;
  }
  std::string text(size_t size) {
    const std::string text(rest_.first(size).text());
    rest_ = rest_.after(size);
    return text;
  }

 private:
  Bytes rest_;
};

void do_step(Bench *bench, Script *script, const std::vector<uint8_t> &image) {
  const uint8_t step = script->number();
  const uint8_t number = script->number();
  bench->piece = step >> 4;
  switch (step & 15) {
    case 0:
      return bench->say(bench->own("offer"), script->text(4 * size_t{number}));
    case 1:
      return bench->say(bench->own("cancel"), script->text(number));
    case 2:
      return bench->say(bench->own("block"), script->text(2 * size_t{number}));
    case 3: {
      Terms terms;
      terms.transport = number & 1 ? "http" : "blocks";
      terms.session = number & 2 ? kSession : kOtherSession;
      terms.block_size = 256U << (number >> 2 & 3);
      return bench->offer(image, terms);
    }
    case 4:
      bench->clock.time += 100U * number;
      return bench->board->loop();
    case 5:
      return bench->run(number % 4);
    case 6:
      return bench->power_on();
    case 7:
      bench->board->disconnected();
      return bench->connect();
    case 8:
      return bench->board->fetched(Bytes(Text(script->text(number))));
    case 9:
      return bench->board->fetch_failed(script->text(number));
    case 10:
      return bench->cancel(number & 1 ? kSession : kOtherSession);
    case 11:
      bench->power.cut_at = bench->power.writes + number;
      return;
    case 12: {
      std::string frame = frame_of(image, 256U * (number % 8), 256);
      frame[script->number() % 20] = static_cast<char>(script->number());
      return bench->say(bench->own("block"), frame);
    }
    default:
      bench->way = [number](const std::string &frame) {
        return number & 1 ? std::vector<std::string>{} : std::vector<std::string>{frame};
      };
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
  static const std::vector<uint8_t> image = make_app("1.1.0", 2500);
  Bench bench(8192);
  bench.settings.block_size = 1024;
  bench.memory_size = 1024;
  bench.chunks = 1;
  bench.power_on();
  Script script(input, size);
  for (int steps = 0; steps < 40 && script.has_more(); steps++) {
    do_step(&bench, &script, image);
    if (!bench.power.on) {
      bench.flash.restarts = 0;
      bench.power.cut_at = 0;
      bench.power_on();
    }
    must(bench.running_version() == "1.0.0" || bench.running_version() == "1.1.0");
    must(!bench.flash.abused);
  }
  return 0;
}
