// One request from start to finish: check, pack both sides, search. The engine's only entries. None throws.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "error.hpp"
#include "matches.hpp"
#include "nearest.hpp"
#include "request.hpp"

namespace jaxsynth {

// What was done, beside the answer.
struct Report {
  Strategy strategy = Strategy::scan;
  const char* kernels = "";
};

// The k nearest rows; `output` holds queries x parts x k cells.
Status search(const Request& request, const std::atomic<bool>& cancel, const NearestOutput& output,
              Report& report) noexcept;

// How many rows lie within a radius, one for each query; of the request, k and parts do not matter.
Status count(const Request& request, std::span<const double> radii, const std::atomic<bool>& cancel,
             std::span<std::int64_t> counts, Report& report) noexcept;

// For each query how many rows have all its cells, and the lowest of them, or -1; scales do not matter.
Status match(const Request& request, const std::atomic<bool>& cancel, const MatchOutput& output) noexcept;

}  // namespace jaxsynth
