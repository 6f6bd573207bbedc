// The k nearest rows of every query, and how many rows lie within a radius, exactly, from an index.
// What is kept of a query's search and how queries are shared out may live here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "error.hpp"
#include "index.hpp"
#include "probe.hpp"

namespace jaxsynth {

struct NearestOutput {
  std::span<double> distances;  // queries x parts x k, by (distance, row)
  std::span<std::int64_t> rows;  // of the whole reference
};

struct NearestOptions {
  std::size_t k = 1;  // between 1 and the rows that each query can see
  bool exclude_self = false;
  std::size_t threads = 1;
  // Of the output, which holds the answers for several references.
  std::size_t parts = 1;
  std::size_t part = 0;
  std::int64_t first_row = 0;
};

Status nearest(const Index& index, const NearestOptions& options, const std::atomic<bool>& cancel,
               const NearestOutput& output);

// counts[i]: rows within radii[i] of query i, those at it included.
Status count_within(const Index& index, std::span<const double> radii, bool exclude_self, std::size_t threads,
                    const std::atomic<bool>& cancel, std::span<std::int64_t> counts);

// What the tree would cost: mean blocks and boxes looked at by some queries, of the k nearest.
Effort sample_effort(const Index& index, const NearestOptions& options);

}  // namespace jaxsynth
