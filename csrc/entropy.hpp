// Random bytes of the operating system, and memory that must not outlive its use.
#pragma once

#include <cstddef>

#include "error.hpp"

namespace jaxsynth {

// Fills `size` bytes from the system's cryptographic generator; waits until it has been seeded.
Status fill_from_system(void* bytes, std::size_t size) noexcept;

// Differs between a process and the processes forked from it.
long process_id() noexcept;

// Zeros that no optimiser leaves out because nobody reads them.
inline void wipe(void* memory, std::size_t size) noexcept {
  volatile unsigned char* bytes = static_cast<unsigned char*>(memory);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = 0;
}

}  // namespace jaxsynth
