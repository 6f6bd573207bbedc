// Codes and positions of a numeric column to its values: jaxsynth/codec/numeric.py and quantile.py say what they
// mean, and NumPy would take a dozen passes over them. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "error.hpp"

namespace jaxsynth {

// A distribution function that is linear between its knots.
struct Knots {
  std::span<const double> values;  // (m), increasing, m >= 2
  std::span<const double> ranks;   // (m), increasing from 0 to 1
  // The knot at or below the beginning of each of many equal cells of rank, and one for rank 1; each below m - 1.
  // No cell holds two knots. Empty where the knots are to be searched for.
  std::span<const std::int32_t> starts;
};

// Multiples of step / scale, of which one is 1, that lie from low to high. Scale 0 leaves values as they are.
struct Grid {
  double scale = 0, step = 1;
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

// Codes 0 .. atoms - 1 are values of their own; the next `intervals` are intervals of equal probability.
struct NumberCodec {
  std::span<const double> atoms;
  std::int64_t intervals;
  Knots knots;
  Grid grid;
};

// Positions lie in [0, 1]. Codes that are none, and positions out of bounds or NaN, give some value of the column.
Status decode_numbers(const NumberCodec& codec, std::span<const std::int64_t> codes, std::span<const double> positions,
                      std::span<double> out);

}  // namespace jaxsynth
