#include "numbers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace jaxsynth {
namespace {

constexpr std::uint32_t max_codes = std::numeric_limits<std::int32_t>::max();

Status check(std::size_t atoms, std::int64_t intervals, const Knots& knots) {
  const std::size_t m = knots.ranks.size();
  if (m < 2 || knots.values.size() != m)
    return invalid(std::to_string(knots.values.size()) + " values and " + std::to_string(m) +
                   " ranks; pass at least two knots with one of each");
  if (intervals < 1) return invalid("there are " + std::to_string(intervals) + " intervals; pass at least one");
  if (atoms > max_codes || static_cast<std::size_t>(intervals) > max_codes - atoms)
    return invalid(std::to_string(atoms) + " atoms and " + std::to_string(intervals) + " intervals; pass at most " +
                   std::to_string(max_codes));
  const auto beyond = [m](std::int32_t start) { return start < 0 || static_cast<std::size_t>(start) + 1 >= m; };
  if (knots.starts.size() == 1 || std::ranges::any_of(knots.starts, beyond))
    return invalid("a start is not the number of a knot below the last; pass those of at least two edges");
  return {};
}

// To the nearest integer, ties to even, without the call that baseline processors need for it.
double rounded(double x) {
  constexpr double whole = 0x1p52;  // from here on every double is one
  const double size = std::abs(x);
  return size < whole ? std::copysign((size + whole) - whole, x) : x;
}

}  // namespace

Status Numbers::make(std::vector<double> atoms, std::int64_t intervals, Knots knots, const Grid& grid,
                     Numbers& out) try {
  if (Status status = check(atoms.size(), intervals, knots); !status.ok()) return status;
  const double count = static_cast<double>(intervals);
  std::vector<Piece> pieces;
  for (std::size_t j = 0; j + 1 < knots.ranks.size(); ++j) {
    const double rank = knots.ranks[j] * count;
    pieces.push_back({rank, knots.ranks[j + 1] * count - rank, knots.values[j], knots.values[j + 1] - knots.values[j]});
  }
  pieces.push_back({std::numeric_limits<double>::quiet_NaN(), 1, 0, 0});  // which not even infinity reaches
  out.atoms_ = std::move(atoms);
  out.intervals_ = intervals;
  out.knots_ = std::move(knots);
  out.pieces_ = std::move(pieces);
  out.grid_ = grid;
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

template <class Coded, class Position>
void Numbers::decode(std::span<const Coded> codes, std::span<const Position> positions, double* out) const {
  if (knots_.starts.empty())
    decode_by<false>(codes, positions, out);
  else
    decode_by<true>(codes, positions, out);
}

// Some rows at a time, step by step: done row by row, a processor sees too few rows at once to hide how long the
// look-ups of one take. Without branches, as which knot a position lies at is a coin toss.
template <bool table, class Coded, class Position>
void Numbers::decode_by(std::span<const Coded> codes, std::span<const Position> positions, double* out) const {
  Strip strip;
  for (std::size_t first = 0; first < codes.size(); first += strip_rows) {
    const std::size_t rows = std::min(strip_rows, codes.size() - first);
    const auto some = codes.subspan(first, rows);
    for (std::size_t i = 0; i < rows; ++i) strip.position[i] = static_cast<double>(positions[first + i]);
    find_intervals(some, strip);
    find_knots<table>(rows, strip);
    interpolate(rows, strip, out + first);
    if (!atoms_.empty())
      for (std::size_t i = 0; i < rows; ++i)
        if (some[i] < atoms_.size()) out[first + i] = atoms_[some[i]];
  }
}

template <class Coded>
void Numbers::find_intervals(std::span<const Coded> codes, Strip& strip) const {
  const auto atoms = static_cast<std::int32_t>(atoms_.size()), last = static_cast<std::int32_t>(intervals_) - 1;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const std::int32_t interval = static_cast<std::int32_t>(std::min<std::uint32_t>(codes[i], max_codes)) - atoms;
    strip.interval[i] = std::max(std::min(interval, last), 0);
  }
}

// The knot at or below each rank.
template <bool table>
void Numbers::find_knots(std::size_t rows, Strip& strip) const {
  const double each = 1 / static_cast<double>(intervals_);
  if constexpr (table) {
    const double cells = static_cast<double>(knots_.starts.size()) - 1;
    for (std::size_t i = 0; i < rows; ++i) {
      const double cell = (strip.interval[i] + strip.position[i]) * each * cells;
      strip.knot[i] = static_cast<std::int32_t>(cell > 0 ? std::min(cell, cells) : 0);  // NaN is not above 0
    }
    for (std::size_t i = 0; i < rows; ++i) strip.knot[i] = knots_.starts[static_cast<std::size_t>(strip.knot[i])];
  } else {
    const auto inner = std::span(knots_.ranks).subspan(1, knots_.ranks.size() - 2);
    for (std::size_t i = 0; i < rows; ++i) {
      const double rank = (strip.interval[i] + strip.position[i]) * each;
      strip.knot[i] = static_cast<std::int32_t>(std::ranges::upper_bound(inner, rank) - inner.begin());
    }
  }
  // That may be one beside it. Decided by differences inside the interval, which are exact where ranks in the whole
  // column are not.
  for (std::size_t i = 0; i < rows; ++i) {
    const double position = strip.position[i];
    const auto rank = [&](std::size_t knot) { return pieces_[knot].rank - strip.interval[i]; };
    auto j = static_cast<std::size_t>(strip.knot[i]);
    j += position >= rank(j + 1) ? 1 : 0;
    j -= static_cast<std::size_t>(j > 0) & static_cast<std::size_t>(position < rank(j));
    strip.above[i] = position - rank(j);
    strip.piece[i] = pieces_[j];
  }
}

void Numbers::interpolate(std::size_t rows, const Strip& strip, double* out) const {
  for (std::size_t i = 0; i < rows; ++i) {
    const double share = strip.above[i] / strip.piece[i].gap;
    out[i] = strip.piece[i].value + (share > 0 ? std::min(share, 1.0) : 0.0) * strip.piece[i].rise;
  }
  const Grid grid = grid_;
  if (grid.scale == 1)
    for (std::size_t i = 0; i < rows; ++i) out[i] = rounded(out[i] / grid.step) * grid.step;
  else if (grid.scale != 0)
    for (std::size_t i = 0; i < rows; ++i) out[i] = rounded(out[i] * grid.scale) / grid.scale;
  for (std::size_t i = 0; i < rows; ++i) out[i] = std::min(std::max(out[i], grid.low), grid.high);
}

#define JAXSYNTH_DECODE(Coded)                                                                          \
  template void Numbers::decode(std::span<const Coded>, std::span<const float>, double*) const;         \
  template void Numbers::decode(std::span<const Coded>, std::span<const double>, double*) const;
JAXSYNTH_DECODE(std::uint8_t)
JAXSYNTH_DECODE(std::uint16_t)
JAXSYNTH_DECODE(std::uint32_t)
#undef JAXSYNTH_DECODE

}  // namespace jaxsynth
