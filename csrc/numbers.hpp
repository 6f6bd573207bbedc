// Codes and positions of a numeric column to its values: jaxsynth/codec/numeric.py and quantile.py say what they
// mean, and NumPy would take a dozen passes over them. Knows nothing of Python.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "error.hpp"

namespace jaxsynth {

// A distribution function that is linear between its knots.
struct Knots {
  std::vector<double> values;  // (m), increasing, m >= 2
  std::vector<double> ranks;   // (m), increasing from 0 to 1
  // The knot at or below the beginning of each of many equal cells of rank, and one for rank 1; each below m - 1.
  // No cell holds two knots. Empty where the knots are to be searched for.
  std::vector<std::int32_t> starts;
};

// Multiples of step / scale, of which one is 1, that lie from low to high. Scale 0 leaves values as they are.
struct Grid {
  double scale = 0, step = 1;
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

// Codes 0 .. atoms - 1 are values of their own; the next `intervals` are intervals of equal probability.
class Numbers {
 public:
  static Status make(std::vector<double> atoms, std::int64_t intervals, Knots knots, const Grid& grid, Numbers& out);

  std::size_t codes() const { return atoms_.size() + static_cast<std::size_t>(intervals_); }

  // Positions lie in [0, 1]. Codes that are none, and positions out of bounds or NaN, give some value of the column.
  // For codes of 8, 16 and 32 bits without sign, and positions of either width; one of each a cell.
  template <class Coded, class Position>
  void decode(std::span<const Coded> codes, std::span<const Position> positions, double* out) const;

 private:
  // What a knot needs of itself and the next one, side by side in memory.
  struct Piece {
    double rank, gap;  // in units of intervals
    double value, rise;
  };

  // What is known of some rows so far.
  static constexpr std::size_t strip_rows = 128;
  struct Strip {
    std::array<double, strip_rows> position, above;  // its piece's beginning, in its interval
    std::array<std::int32_t, strip_rows> interval, knot;
    std::array<Piece, strip_rows> piece;
  };

  template <bool table, class Coded, class Position>
  void decode_by(std::span<const Coded> codes, std::span<const Position> positions, double* out) const;
  template <class Coded>
  void find_intervals(std::span<const Coded> codes, Strip& strip) const;
  template <bool table>
  void find_knots(std::size_t rows, Strip& strip) const;
  void interpolate(std::size_t rows, const Strip& strip, double* out) const;

  std::vector<double> atoms_;
  std::int64_t intervals_ = 0;
  Knots knots_;
  std::vector<Piece> pieces_;  // and one beyond the last knot
  Grid grid_;
};

}  // namespace jaxsynth
