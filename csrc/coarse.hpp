// Rows in few bits, from which a distance can be bounded from below without touching the cells.
// The encoding, its proven slack and the storage in blocks may live here; kernels.hpp has the arithmetic on it.
//
// A column becomes at most two things. A *code* is a byte that is equal wherever the cells are: of a category,
// or of whether a number is null. Differing codes cost the column at least `units` of a common unit. A *number*
// is a float: the cell itself where every cell of the column is one, which weighs what the column's unit costs,
// and otherwise the cell less the column's centre, times its scale, which weighs 1; NaN where null, which counts
// as no difference, since the code of nullness already has the cost. The bound of a pair of rows is
//
//     unit * (sum of units of differing codes, saturating at 255) + sum of abs(number - number) * weight
//
// Let t be the distance in exact arithmetic. A number is off by at most 2^-24 of its size, and by less than that
// again from the float64 arithmetic behind it; weighted sums of n terms in float32 are off by a factor within
// 1 + (n + 4) 2^-23, and the distance that is compared, in float64, by one within 1 + n 2^-50. So a row whose
// bound is above `admit(limit).bound` has a distance above `limit`, and only other rows need be looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "kernels.hpp"
#include "measure.hpp"

namespace jaxsynth {

template <class T>
struct AlignedDelete {
  void operator()(T* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
};
template <class T>
using Aligned = std::unique_ptr<T[], AlignedDelete<T>>;

// Uninitialised, on a cache line. Throws std::bad_alloc.
template <class T>
Aligned<T> aligned(std::size_t count) {
  if (count > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
  return Aligned<T>(static_cast<T*>(::operator new[](count * sizeof(T) + 64, std::align_val_t{64})));
}

struct CodeColumn {
  std::size_t column = 0;
  bool nullness = false;   // of a number: 1 where null; otherwise the category's code by a byte
  double cost = 0;         // of differing codes, at least
  std::uint8_t units = 0;  // cost in units, rounded down
};

struct NumberColumn {
  std::size_t column = 0;
  double centre = 0;
  double scale = 0;
  float weight = 1;
  float largest = 0;       // of the reference's numbers, in size
  float null_cost = 0;     // rounded down
};

// Where a cell can be read without a change: in the encoded rows, which a search has in cache, or where it came from.
struct CellSource {
  enum class Kind { cells, code, number } kind = Kind::cells;
  std::size_t at = 0;
};

struct Encoding {
  std::vector<CodeColumn> codes;
  std::vector<NumberColumn> numbers;
  std::vector<CellSource> sources;  // of every column
  float unit = 0;
};

// Of the columns that can cost anything.
Encoding make_encoding(const std::vector<ColumnRule>& rules, const Side& reference, const Side& queries);

std::uint8_t code_of(const CodeColumn& column, double cell) noexcept;
float number_of(const NumberColumn& column, double cell) noexcept;

// One query: its cells, and what the kernels read of it.
struct CoarseQuery {
  CoarseQuery(const Encoding& encoding, std::size_t columns);
  QueryView view() const noexcept;

  std::vector<double> cells;
  std::vector<std::uint8_t> codes;
  std::vector<std::uint8_t> units;
  std::vector<float> numbers;
  std::vector<float> weights;
  std::vector<std::uint32_t> bits;
  std::vector<float> code_costs;
  std::size_t number_columns = 0;
  double slack = 0;                     // of the numbers' rounding
  double factor = 1;                    // of the sums'
};

void encode_query(const Encoding& encoding, const Side& queries, std::size_t row, CoarseQuery& query);

// What a bound must be above for the distance to be above `limit`, for certain.
Admission admit(const Encoding& encoding, const CoarseQuery& query, double limit) noexcept;

// Rows in blocks of `block_rows`; within a block each column is contiguous. The last block is filled up.
struct CoarseRows {
  std::size_t rows = 0;
  std::size_t code_columns = 0;
  std::size_t number_columns = 0;
  Aligned<std::uint8_t> codes;
  Aligned<float> numbers;
  std::vector<std::uint32_t> order;  // the caller's row at each place; empty: the same

  std::size_t blocks() const noexcept { return (rows + block_rows - 1) / block_rows; }
  std::size_t rows_of(std::size_t block) const noexcept {
    return block + 1 == blocks() ? rows - block * block_rows : block_rows;
  }
  const std::uint8_t* block_codes(std::size_t block) const noexcept {
    return codes.get() + block * block_rows * code_columns;
  }
  const float* block_numbers(std::size_t block) const noexcept {
    return numbers.get() + block * block_rows * number_columns;
  }
  std::size_t row(std::size_t place) const noexcept { return order.empty() ? place : order[place]; }
};

// `distance` of the row at a place, from nearer memory.
double distance_at(const std::vector<ColumnRule>& rules, const Encoding& encoding, const CoarseRows& rows,
                   const Side& side, const double* query, std::size_t place) noexcept;

// Throws std::bad_alloc.
CoarseRows encode_rows(const Encoding& encoding, const Side& side);
// Puts row order[i] at place i, one column after the other, and keeps the order.
void reorder(CoarseRows& rows, std::vector<std::uint32_t> order);

}  // namespace jaxsynth
