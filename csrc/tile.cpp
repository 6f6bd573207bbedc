// The innermost kernel, written so that the compiler vectorises each loop over the rows of a tile.
// Additions stay in column order for every row, whatever the vector width: lanes are different rows.
#include "tile.hpp"

#include <cfloat>
#include <cmath>
#include <memory>

static_assert(FLT_EVAL_METHOD == 0, "distances are defined in float64, without excess precision");

// GCC on glibc can hold several versions of a function and choose one when the library loads. The
// sanitizers' start-up code does not tolerate that choice running so early.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(JAXSYNTH_NO_CLONES)
#define JAXSYNTH_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define JAXSYNTH_CLONES
#endif

// The helpers must become part of each version rather than be compiled once for the oldest processor.
#if defined(__GNUC__)
#define JAXSYNTH_INLINE inline __attribute__((always_inline))
#define JAXSYNTH_RESTRICT __restrict__
#elif defined(_MSC_VER)
#define JAXSYNTH_INLINE __forceinline
#define JAXSYNTH_RESTRICT __restrict
#else
#define JAXSYNTH_INLINE inline
#define JAXSYNTH_RESTRICT
#endif

namespace jaxsynth {
namespace {

template <Kind kind>
JAXSYNTH_INLINE double cost(double cell, double query, double scale, double null_cost) {
  if constexpr (kind == Kind::numeric) {
    return std::fabs(cell - query) * scale;
  } else if constexpr (kind == Kind::category) {
    return cell != query ? scale : 0.0;
  } else if constexpr (kind == Kind::numeric_null) {
    const double difference = std::fabs(cell - query) * scale;
    return cell == cell ? difference : null_cost;  // only a null, packed as NaN, differs from itself
  } else {
    const double differing = cell == cell ? scale : null_cost;
    return cell != query ? differing : 0.0;
  }
}

template <Kind kind>
JAXSYNTH_INLINE void add_one(const Term& term, const double* JAXSYNTH_RESTRICT tile,
                             double* JAXSYNTH_RESTRICT sum) {
  const double* cells = std::assume_aligned<64>(tile + term.column * tile_rows);
  const double query = term.query, scale = term.scale, null_cost = term.null_cost;
  for (std::size_t i = 0; i < tile_rows; ++i) sum[i] += cost<kind>(cells[i], query, scale, null_cost);
}

// Two columns in a pass halve the traffic of the running sums, which is what bounds the kernel.
template <Kind first, Kind second>
JAXSYNTH_INLINE void add_two(const Term* terms, const double* JAXSYNTH_RESTRICT tile,
                             double* JAXSYNTH_RESTRICT sum) {
  const double* a = std::assume_aligned<64>(tile + terms[0].column * tile_rows);
  const double* b = std::assume_aligned<64>(tile + terms[1].column * tile_rows);
  const double query_a = terms[0].query, scale_a = terms[0].scale, null_a = terms[0].null_cost;
  const double query_b = terms[1].query, scale_b = terms[1].scale, null_b = terms[1].null_cost;
  for (std::size_t i = 0; i < tile_rows; ++i)
    sum[i] = (sum[i] + cost<first>(a[i], query_a, scale_a, null_a)) + cost<second>(b[i], query_b, scale_b, null_b);
}

JAXSYNTH_INLINE void add_last(const Term& term, const double* tile, double* sum) {
  switch (term.kind) {
    case Kind::numeric: return add_one<Kind::numeric>(term, tile, sum);
    case Kind::category: return add_one<Kind::category>(term, tile, sum);
    case Kind::numeric_null: return add_one<Kind::numeric_null>(term, tile, sum);
    case Kind::category_null: return add_one<Kind::category_null>(term, tile, sum);
  }
}

template <Kind first>
JAXSYNTH_INLINE void add_pair_of(const Term* terms, const double* tile, double* sum) {
  switch (terms[1].kind) {
    case Kind::numeric: return add_two<first, Kind::numeric>(terms, tile, sum);
    case Kind::category: return add_two<first, Kind::category>(terms, tile, sum);
    case Kind::numeric_null: return add_two<first, Kind::numeric_null>(terms, tile, sum);
    case Kind::category_null: return add_two<first, Kind::category_null>(terms, tile, sum);
  }
}

JAXSYNTH_INLINE void add_pair(const Term* terms, const double* tile, double* sum) {
  switch (terms[0].kind) {
    case Kind::numeric: return add_pair_of<Kind::numeric>(terms, tile, sum);
    case Kind::category: return add_pair_of<Kind::category>(terms, tile, sum);
    case Kind::numeric_null: return add_pair_of<Kind::numeric_null>(terms, tile, sum);
    case Kind::category_null: return add_pair_of<Kind::category_null>(terms, tile, sum);
  }
}

JAXSYNTH_INLINE std::uint32_t groups_below(const double* sum, double limit) {
  std::uint32_t found = 0;
  for (std::size_t group = 0; group < groups; ++group) {
    std::int64_t below = 0;
    for (std::size_t i = 0; i < group_rows; ++i) below |= sum[group * group_rows + i] < limit ? 1 : 0;
    found |= static_cast<std::uint32_t>(below) << group;
  }
  return found;
}

}  // namespace

JAXSYNTH_CLONES
std::uint32_t tile_distances(const Term* terms, std::size_t count, const double* tile, double limit,
                             double* distances) noexcept {
  double* sum = std::assume_aligned<64>(distances);
  for (std::size_t i = 0; i < tile_rows; ++i) sum[i] = 0.0;
  std::size_t term = 0;
  for (; term + 1 < count; term += 2) add_pair(terms + term, tile, sum);
  if (term < count) add_last(terms[term], tile, sum);
  return groups_below(sum, limit);
}

}  // namespace jaxsynth
