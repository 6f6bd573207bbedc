// Rows that are equal cell for cell, by their hashes and then by the cells.
// Neither distances nor encodings may live here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "error.hpp"
#include "measure.hpp"

namespace jaxsynth {

struct MatchOutput {
  std::span<std::int64_t> rows;    // the lowest equal row, or -1
  std::span<std::int64_t> counts;  // how many there are
};

Status matches(const Side& reference, const Side& queries, std::size_t threads, const std::atomic<bool>& cancel,
               const MatchOutput& output);

}  // namespace jaxsynth
