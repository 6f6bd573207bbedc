// The definition of the result, written as plainly as possible: all distances, sorted.
// It shares no code with the engine beyond the request.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "request.hpp"

namespace test {

inline double cell_as_double(const jaxsynth::View& view, std::size_t row) {
  using jaxsynth::Type;
  switch (view.type) {
    case Type::i8: return static_cast<double>(view.value<std::int8_t>(row));
    case Type::i16: return static_cast<double>(view.value<std::int16_t>(row));
    case Type::i32: return static_cast<double>(view.value<std::int32_t>(row));
    case Type::i64: return static_cast<double>(view.value<std::int64_t>(row));
    case Type::u8: return static_cast<double>(view.value<std::uint8_t>(row));
    case Type::u16: return static_cast<double>(view.value<std::uint16_t>(row));
    case Type::u32: return static_cast<double>(view.value<std::uint32_t>(row));
    case Type::u64: return static_cast<double>(view.value<std::uint64_t>(row));
    case Type::f32: return static_cast<double>(view.value<float>(row));
    case Type::f64: return view.value<double>(row);
  }
  return 0;
}

inline double oracle_distance(const jaxsynth::Request& request, std::size_t query, std::size_t row) {
  double sum = 0;
  for (std::size_t c = 0; c < request.reference.size(); ++c) {
    const bool null_row = request.reference[c].is_null(row), null_query = request.queries[c].is_null(query);
    double cost = 0;
    if (null_row != null_query) cost = request.null_cost[c];
    if (!null_row && !null_query && request.scale[c] != 0) {
      const double a = cell_as_double(request.reference[c], row), b = cell_as_double(request.queries[c], query);
      cost = request.categorical[c] != 0 ? (a == b ? 0.0 : request.scale[c]) : std::fabs(a - b) * request.scale[c];
    }
    sum += cost;
  }
  return sum;
}

// The k nearest of the reference rows from `begin` to `end`.
inline std::vector<std::pair<double, std::int64_t>> oracle(const jaxsynth::Request& request, std::size_t query,
                                                           std::size_t begin, std::size_t end) {
  std::vector<std::pair<double, std::int64_t>> all;
  for (std::size_t row = begin; row < end; ++row)
    if (!request.exclude_self || row != query)
      all.emplace_back(oracle_distance(request, query, row), static_cast<std::int64_t>(row));
  std::sort(all.begin(), all.end());
  all.resize(static_cast<std::size_t>(request.k));
  return all;
}

}  // namespace test
