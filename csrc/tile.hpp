// Distances of one query row to one tile of reference rows: the innermost kernel, behind one function.
// A faster kernel replaces tile.cpp and keeps this interface. Selection does not belong here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pack.hpp"

namespace jaxsynth {

// How a reference cell is charged against the query's cell in a column. The plain kinds are for
// columns whose reference cells are never null.
enum class Kind : std::uint8_t {
  numeric,        // abs(cell - query) * scale
  category,       // scale unless cell == query
  numeric_null,   // as numeric, but null_cost where cell is null
  category_null,  // as category, but null_cost where cell is null
};

struct Term {
  std::size_t column = 0;
  double query = 0;
  double scale = 0;
  double null_cost = 0;
  Kind kind = Kind::numeric;
};

inline constexpr std::size_t group_rows = 32;
inline constexpr std::size_t groups = tile_rows / group_rows;
static_assert(groups <= 32, "one bit per group");

// Writes the tile's distances: the terms' costs added in their order, in float64. Returns a bit per
// group of `group_rows` rows, set when some distance in the group is below `limit`.
// `tile` and `distances` are aligned as packed cells are and hold `tile_rows` rows.
std::uint32_t tile_distances(const Term* terms, std::size_t count, const double* tile, double limit,
                             double* distances) noexcept;

}  // namespace jaxsynth
