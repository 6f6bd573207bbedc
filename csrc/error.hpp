// The status type that every fallible function of the engine returns.
// Only the type and its small constructors live here: the engine reports failures as values and
// never throws to its caller, prints or aborts.
#pragma once

#include <string>
#include <utility>

namespace jaxsynth {

enum class Code {
  ok,
  invalid,        // the caller's arguments are wrong; the message says what, what was found, what to do
  cancelled,      // the caller asked to stop
  out_of_memory,  // an allocation failed
  internal,       // the system refused something else, such as a thread
};

struct [[nodiscard]] Status {
  Code code = Code::ok;
  std::string message;

  bool ok() const noexcept { return code == Code::ok; }
};

inline Status invalid(std::string message) { return {Code::invalid, std::move(message)}; }
inline Status cancelled() { return {Code::cancelled, "the search was cancelled"}; }
// Short enough for the small-string buffer, so that reporting a failed allocation allocates nothing.
inline Status out_of_memory() { return {Code::out_of_memory, "out of memory"}; }
inline Status internal(std::string message) { return {Code::internal, std::move(message)}; }

}  // namespace jaxsynth
