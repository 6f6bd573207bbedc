// The distance itself, in float64, term by term in column order: what every result is made of.
// Only cells as doubles, their checks and this sum may live here; bounds on it live in coarse.hpp.
//
// Cells stay where the caller has them. A cell is a double: a number as it is, a category as its code
// (exact up to 2^53), a null as NaN, which no cell is otherwise.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "arrow_view.hpp"
#include "error.hpp"

namespace jaxsynth {

struct ColumnRule {
  bool categorical = false;
  double scale = 0;      // cost of a unit of difference, or of differing codes
  double null_cost = 0;  // cost of a null against a value
};

// Cell of a view as defined above.
double cell_of(const View& view, std::size_t row) noexcept;

inline double cost_of(const ColumnRule& rule, double query, double cell) noexcept {
  if (std::isnan(query) || std::isnan(cell)) return std::isnan(query) && std::isnan(cell) ? 0.0 : rule.null_cost;
  if (rule.categorical) return query == cell ? 0.0 : rule.scale;
  // Without the test an overflowing difference would make a column of no weight count.
  return rule.scale == 0.0 ? 0.0 : std::fabs(query - cell) * rule.scale;
}

// What the distance is: costs added up in column order. `cell(column)` is the row's cell.
template <class Cell>
double sum_of_costs(const std::vector<ColumnRule>& rules, const double* query, const Cell& cell) noexcept {
  double sum = 0.0;
  for (std::size_t column = 0; column < rules.size(); ++column)
    sum += cost_of(rules[column], query[column], cell(column));
  return sum;
}

// One side of a request: its columns, and what was learnt of them when they were checked.
struct Side {
  std::vector<View> columns;
  std::vector<char> has_null;  // per column
  std::vector<double> lowest;  // per column, of its values; 0 where it has none
  std::vector<double> highest;
  std::size_t rows = 0;
};

// Reads every cell once. Fails on NaN, infinite numbers and codes beyond 2^53; `name` begins the message.
// Stops early, with a cancelled status, once `cancel` is set.
Status read_side(const std::string& name, const std::vector<View>& columns, const std::vector<ColumnRule>& rules,
                 const std::atomic<bool>& cancel, Side& side);

// The row's cells, one for each column.
void read_row(const Side& side, std::size_t row, double* cells) noexcept;

// Distance of a query, as `read_row` gave it, to a row of `side`.
double distance(const std::vector<ColumnRule>& rules, const double* query, const Side& side, std::size_t row) noexcept;

}  // namespace jaxsynth
