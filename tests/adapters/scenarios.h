#pragma once

#include <functional>
#include <map>
#include <string>

#include "world.h"

// What must hold on every platform, and the means to say what must hold on one.

#define CHECK(truth) check(truth, #truth, __FILE__, __LINE__)
void check(bool truth, const char *text, const char *file, int line);

using Strings = std::vector<std::string>;
using Scenarios = std::map<std::string, std::function<void()>>;

/// An application of a platform, as a life begins it: its keys, and how a new image tests itself.
struct Application {
  Strings keys = {};
  /// 'p': passed, 'f': failed, 'r': still running.
  char self_test = 'p';
};
using Start = std::function<void(const Application &)>;

/// What every platform must do.
Scenarios common(const Start &start);
/// Run the scenario that the command line names, or print all names.
int run(int count, char **arguments, const Scenarios &scenarios);

const std::vector<uint8_t> &new_image();
void check_installed();
void check_refused(const std::string &reason);
