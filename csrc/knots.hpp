// Values of a piecewise linear distribution function at positions inside its intervals, for decoding numbers.
// The arithmetic is written down in jaxsynth/codec/quantile.py. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "error.hpp"

namespace jaxsynth {

struct Knots {
  std::span<const double> values;  // (m), increasing, m >= 2
  std::span<const double> ranks;   // (m), increasing from 0 to 1
  // The knot at or below the beginning of each of many equal cells of rank, and one for rank 1; each below m - 1.
  // No cell holds two knots. Empty where the knots are to be searched for.
  std::span<const std::int32_t> starts;
};

// The cells to decode. Spans are of one length; positions lie in [0, 1], intervals in [0, count).
struct Places {
  std::span<const std::int64_t> interval;
  std::span<const double> position;
  std::int64_t count;  // of intervals, of equal probability
};

// Any place gives a value within the knots', also one that is out of bounds or NaN.
Status values_at(const Knots& knots, const Places& places, std::span<double> out);

}  // namespace jaxsynth
