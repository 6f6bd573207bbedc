// The one function that differs between operating systems.
#include "entropy.hpp"

#include <algorithm>

#if defined(_WIN32)
#include <windows.h>
// After windows.h, which it needs.
#include <bcrypt.h>
#include <process.h>
#else
#include <cerrno>
#include <sys/random.h>
#include <unistd.h>
#endif

namespace jaxsynth {
namespace {

#if defined(_WIN32)
bool fill(unsigned char* bytes, std::size_t size) {
  return BCryptGenRandom(nullptr, bytes, static_cast<ULONG>(size), BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0;
}
#elif defined(__linux__)
bool fill(unsigned char* bytes, std::size_t size) {
  ssize_t got = 0;
  do got = getrandom(bytes, size, 0);
  while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(size);
}
#else
bool fill(unsigned char* bytes, std::size_t size) { return getentropy(bytes, size) == 0; }
#endif

}  // namespace

Status fill_from_system(void* bytes, std::size_t size) noexcept {
  // What every system gives in one piece.
  constexpr std::size_t most = 256;
  auto* next = static_cast<unsigned char*>(bytes);
  while (size != 0) {
    const std::size_t part = std::min(size, most);
    if (!fill(next, part)) return internal("the operating system gave no random bytes; look for what blocks them");
    next += part;
    size -= part;
  }
  return {};
}

#if defined(_WIN32)
long process_id() noexcept { return _getpid(); }
#else
long process_id() noexcept { return getpid(); }
#endif

}  // namespace jaxsynth
