// A minimal test harness: checks that report and count, and an exit status.
// Only what every test file needs may live here.
#pragma once

#include <cstdio>
#include <string>

#include "error.hpp"

namespace test {

inline int failures = 0;

inline void report(bool passed, const char* what, const char* file, int line) {
  if (passed) return;
  ++failures;
  std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}

inline bool fails_with(const jaxsynth::Status& status, jaxsynth::Code code, const std::string& part) {
  if (status.code == code && status.message.find(part) != std::string::npos) return true;
  std::fprintf(stderr, "got code %d, \"%s\"\n", static_cast<int>(status.code), status.message.c_str());
  return false;
}

inline bool invalid(const jaxsynth::Status& status, const std::string& part) {
  return fails_with(status, jaxsynth::Code::invalid, part);
}

inline int result() { return failures == 0 ? 0 : 1; }

}  // namespace test

#define CHECK(condition) ::test::report(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
