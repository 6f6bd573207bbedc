#include "knots.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <vector>

namespace jaxsynth {
namespace {

Status check(const Knots& knots, const Places& places, std::span<double> out) {
  const std::size_t m = knots.ranks.size();
  if (m < 2 || knots.values.size() != m)
    return invalid(std::to_string(knots.values.size()) + " values and " + std::to_string(m) +
                   " ranks; pass at least two knots with one of each");
  if (places.interval.size() != out.size() || places.position.size() != out.size())
    return invalid("intervals and positions differ in length; pass one of each a cell");
  if (places.count < 1) return invalid("there are " + std::to_string(places.count) + " intervals; pass at least one");
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

}  // namespace

Status values_at(const Knots& knots, const Places& places, std::span<double> out) try {
  if (Status status = check(knots, places, out); !status.ok()) return status;
  const auto count = static_cast<double>(places.count);
  const std::vector<Piece> pieces = pieces_of(knots, count);
  const std::size_t last = pieces.size() - 1;
  const Near near(knots);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto begin = static_cast<double>(places.interval[i]);
    const double position = places.position[i];
    std::size_t j = near((begin + position) / count);
    // Decided by differences inside the interval, which are exact where ranks in the whole column are not.
    if (j < last && position >= pieces[j + 1].rank - begin) ++j;
    if (j > 0 && position < pieces[j].rank - begin) --j;
    const double share = (position - (pieces[j].rank - begin)) / pieces[j].gap;
    out[i] = pieces[j].value + (share > 0 ? std::min(share, 1.0) : 0.0) * pieces[j].rise;
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace jaxsynth
