// The nearest rows of every query among packed reference rows, exactly.
// The interface of the search itself: another algorithm may replace nearest.cpp behind it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "error.hpp"
#include "pack.hpp"

namespace jaxsynth {

struct NearestInput {
  const Packed& reference;
  const Packed& queries;
  const std::vector<ColumnRule>& rules;
  const std::vector<double>& null_cost;
  std::size_t k;  // between 1 and the rows that each query can see
  bool exclude_self;
  std::size_t threads;  // 0: as many as the machine runs at once
};

struct NearestOutput {
  std::span<double> distances;  // queries x k, by (distance, row)
  std::span<std::int64_t> rows;
};

Status nearest(const NearestInput& input, const std::atomic<bool>& cancel, const NearestOutput& output);

}  // namespace jaxsynth
