#include "numbers.hpp"

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <vector>

namespace jaxsynth {
namespace {

Status check(const NumberCodec& codec, std::size_t codes, std::size_t positions, std::size_t cells) {
  const Knots& knots = codec.knots;
  const std::size_t m = knots.ranks.size();
  if (m < 2 || knots.values.size() != m)
    return invalid(std::to_string(knots.values.size()) + " values and " + std::to_string(m) +
                   " ranks; pass at least two knots with one of each");
  if (codes != cells || positions != cells)
    return invalid("codes and positions differ in length; pass one of each a cell");
  if (codec.intervals < 1)
    return invalid("there are " + std::to_string(codec.intervals) + " intervals; pass at least one");
  const auto beyond = [m](std::int32_t start) { return start < 0 || static_cast<std::size_t>(start) + 1 >= m; };
  if (knots.starts.size() == 1 || std::ranges::any_of(knots.starts, beyond))
    return invalid("a start is not the number of a knot below the last; pass those of at least two edges");
  return {};
}

// What a knot needs of itself and the next one, side by side in memory.
struct Piece {
  double rank, gap;    // in units of intervals
  double value, rise;
};

std::vector<Piece> pieces_of(const Knots& knots, double count) {
  std::vector<Piece> pieces(knots.ranks.size() - 1);
  for (std::size_t j = 0; j < pieces.size(); ++j) {
    const double rank = knots.ranks[j] * count;
    pieces[j] = {rank, knots.ranks[j + 1] * count - rank, knots.values[j], knots.values[j + 1] - knots.values[j]};
  }
  return pieces;
}

// The knot at or below a rank, or one beside it.
class Near {
 public:
  explicit Near(const Knots& knots) : knots_(knots), cells_(static_cast<double>(knots.starts.size()) - 1) {}

  std::size_t operator()(double rank) const {
    if (knots_.starts.empty()) {
      const auto inner = knots_.ranks.subspan(1, knots_.ranks.size() - 2);
      return static_cast<std::size_t>(std::ranges::upper_bound(inner, rank) - inner.begin());
    }
    const double cell = rank * cells_;
    const double held = cell > 0 ? std::min(cell, cells_) : 0;  // NaN is not above 0
    return static_cast<std::size_t>(knots_.starts[static_cast<std::size_t>(held)]);
  }

 private:
  const Knots& knots_;
  double cells_;
};

// The value at a position inside an interval.
class Inverse {
 public:
  Inverse(const Knots& knots, std::int64_t intervals)
      : near_(knots), count_(static_cast<double>(intervals)), pieces_(pieces_of(knots, count_)) {}

  double operator()(double interval, double position) const {
    std::size_t j = near_((interval + position) / count_);
    // Decided by differences inside the interval, which are exact where ranks in the whole column are not.
    if (j + 1 < pieces_.size() && position >= pieces_[j + 1].rank - interval) ++j;
    if (j > 0 && position < pieces_[j].rank - interval) --j;
    const Piece& piece = pieces_[j];
    const double share = (position - (piece.rank - interval)) / piece.gap;
    return piece.value + (share > 0 ? std::min(share, 1.0) : 0.0) * piece.rise;
  }

 private:
  Near near_;
  double count_;
  std::vector<Piece> pieces_;
};

// To the nearest integer, ties to even, without the call that baseline processors need for it.
double rounded(double x) {
  constexpr double whole = 0x1p52;  // from here on every double is one
  const double size = std::abs(x);
  return size < whole ? std::copysign((size + whole) - whole, x) : x;
}

double on_grid(const Grid& grid, double x) {
  if (grid.scale != 0) x = rounded(x * grid.scale / grid.step) * grid.step / grid.scale;
  return std::min(std::max(x, grid.low), grid.high);
}

}  // namespace

Status decode_numbers(const NumberCodec& codec, std::span<const std::int64_t> codes, std::span<const double> positions,
                      std::span<double> out) try {
  if (Status status = check(codec, codes.size(), positions.size(), out.size()); !status.ok()) return status;
  const Inverse inverse(codec.knots, codec.intervals);
  const auto atoms = static_cast<std::int64_t>(codec.atoms.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t code = std::max<std::int64_t>(codes[i], 0);
    const std::int64_t interval = std::min(code - atoms, codec.intervals - 1);
    out[i] = interval < 0 ? codec.atoms[static_cast<std::size_t>(code)]
                          : on_grid(codec.grid, inverse(static_cast<double>(interval), positions[i]));
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace jaxsynth
