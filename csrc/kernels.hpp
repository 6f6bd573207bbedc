// The arithmetic on encoded rows, once for each instruction set, chosen when the program runs.
// The contract and the choice are here; kernel_body.hpp is the one text, kernel_*.cpp its compilations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "error.hpp"

namespace jaxsynth {

inline constexpr std::size_t block_rows = 128;  // two words of bits
inline constexpr std::size_t wide_lanes = 16;  // floats of the widest vector: what a query is padded to

// An encoded query. Plain pointers, because no function of a library may be compiled for one processor only.
struct QueryView {
  const std::uint8_t* codes;
  const std::uint8_t* units;      // of differing codes
  std::size_t code_columns;
  const float* numbers;           // padded to `wide_lanes`
  const float* weights;           // of a unit of difference in each number; padded
  std::size_t number_columns;
  const std::uint32_t* bits;      // of each code: bit code mod 32; padded
  const float* code_costs;        // padded
};

// A box around rows: per number its least and greatest, and the most it can cost where some row is null; per
// code a bit for each code mod 32 that occurs. Arrays are padded to the kernels' lanes with what costs nothing.
struct BoxView {
  const float* low;
  const float* high;
  const float* cap;
  const std::uint32_t* codes;
};

struct Admission {
  float bound = 0;          // rows with a bound above it are passed over
  std::uint8_t units = 255; // the same for codes alone
  float unit = 0;
};

struct Kernels {
  const char* name;
  std::size_t lanes;  // floats of a vector

  // Passes over blocks until one has a row that is not ruled out, and sets the bits of those rows (the first is the
  // lowest bit of rows[0]). Returns how many blocks were passed over: all, when no row is left.
  std::size_t (*filter)(const QueryView& query, const std::uint8_t* codes, const float* numbers, std::size_t blocks,
                        const Admission& admission, std::uint64_t* rows) noexcept;

  // The bounds of all rows of the block.
  void (*bounds)(const QueryView& query, const std::uint8_t* codes, const float* numbers, float unit,
                 float* bounds) noexcept;

  // At most the bound of any row in the box, but for the order in which it is summed.
  float (*box)(const QueryView& query, const BoxView& box) noexcept;
};

// What this processor runs fastest, unless the environment variable JAXSYNTH_ISA names another.
Status choose_kernels(const Kernels*& chosen);
// All that run here, the slowest ("scalar") first.
std::span<const Kernels* const> all_kernels();

}  // namespace jaxsynth
