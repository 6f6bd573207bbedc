// Which instruction sets this build has and this processor runs.
#include "kernels.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace jaxsynth {

extern const Kernels scalar_kernels;
#if JAXSYNTH_X86_KERNELS
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif
#if JAXSYNTH_NEON_KERNELS
extern const Kernels neon_kernels;
#endif

namespace {

std::vector<const Kernels*> runnable() {
  std::vector<const Kernels*> found{&scalar_kernels};
#if JAXSYNTH_X86_KERNELS
  if (__builtin_cpu_supports("avx2")) found.push_back(&avx2_kernels);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) found.push_back(&avx512_kernels);
#endif
#if JAXSYNTH_NEON_KERNELS
  found.push_back(&neon_kernels);
#endif
  return found;
}

}  // namespace

std::span<const Kernels* const> all_kernels() {
  static const std::vector<const Kernels*> found = runnable();
  return found;
}

Status choose_kernels(const Kernels*& chosen) {
  const auto all = all_kernels();
  chosen = all.back();
  const char* wanted = std::getenv("JAXSYNTH_ISA");
  if (wanted == nullptr || *wanted == '\0') return {};
  std::string names;
  for (const Kernels* kernels : all) {
    if (std::strcmp(kernels->name, wanted) == 0) {
      chosen = kernels;
      return {};
    }
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  return invalid("JAXSYNTH_ISA is '" + std::string(wanted) + "', but here run " + names + "; name one or unset it");
}

}  // namespace jaxsynth
