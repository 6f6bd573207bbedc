// Reading of Arrow cells as doubles, with the checks that need to see every cell, and the sum of costs.
#include "measure.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace jaxsynth {
namespace {

constexpr double null_cell = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t largest_code = std::int64_t{1} << 53;  // beyond it two codes may share a double

// Calls `act` with a value of the view's cell type.
template <class Act>
auto with_type(Type type, const Act& act) {
  switch (type) {
    case Type::i8: return act(std::int8_t{});
    case Type::i16: return act(std::int16_t{});
    case Type::i32: return act(std::int32_t{});
    case Type::i64: return act(std::int64_t{});
    case Type::u8: return act(std::uint8_t{});
    case Type::u16: return act(std::uint16_t{});
    case Type::u32: return act(std::uint32_t{});
    case Type::u64: return act(std::uint64_t{});
    case Type::f32: return act(float{});
    case Type::f64: return act(double{});
  }
  return act(double{});
}

template <class T>
bool acceptable(T cell, bool categorical) noexcept {
  if constexpr (std::is_floating_point_v<T>) {
    return std::isfinite(cell);
  } else if constexpr (sizeof(T) < sizeof(std::int64_t)) {
    return true;
  } else if constexpr (std::is_unsigned_v<T>) {
    return !categorical || cell <= static_cast<T>(largest_code);
  } else {
    return !categorical || (cell >= -largest_code && cell <= largest_code);
  }
}

struct Found {
  std::size_t rows = 0;  // fewer than the view holds when a cell is not acceptable
  bool null = false;
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();
};

template <class T>
Found read_column(const View& view, bool categorical) {
  Found found;
  for (; found.rows < view.length; ++found.rows) {
    if (view.is_null(found.rows)) {
      found.null = true;
      continue;
    }
    const T cell = view.value<T>(found.rows);
    if (!acceptable(cell, categorical)) break;
    found.lowest = std::min(found.lowest, static_cast<double>(cell));
    found.highest = std::max(found.highest, static_cast<double>(cell));
  }
  return found;
}

Status unacceptable(const std::string& side, std::size_t column, std::size_t row, const View& view) {
  const std::string place = side + " column " + std::to_string(column) + ", row " + std::to_string(row);
  if (is_integer(view.type))
    return invalid(place + " holds a category code beyond 2^53; number the categories from 0");
  const double cell = view.type == Type::f32 ? double{view.value<float>(row)} : view.value<double>(row);
  return invalid(place + (std::isnan(cell) ? " is NaN" : " is infinite") +
                 "; numeric cells must be finite: make the cell null or remove the row");
}

}  // namespace

double cell_of(const View& view, std::size_t row) noexcept {
  if (view.is_null(row)) return null_cell;
  return with_type(view.type, [&]<class T>(T) { return static_cast<double>(view.value<T>(row)); });
}

Status read_side(const std::string& name, const std::vector<View>& columns, const std::vector<ColumnRule>& rules,
                 const std::atomic<bool>& cancel, Side& side) {
  side = {columns, {}, {}, {}, columns.empty() ? 0 : columns.front().length};
  for (std::size_t column = 0; column < columns.size(); ++column) {
    if (cancel.load(std::memory_order_relaxed)) return cancelled();
    const View& view = columns[column];
    const bool categorical = rules[column].categorical;
    const Found found = with_type(view.type, [&]<class T>(T) { return read_column<T>(view, categorical); });
    if (found.rows != side.rows) return unacceptable(name, column, found.rows, view);
    side.has_null.push_back(found.null ? 1 : 0);
    const bool values = found.lowest <= found.highest;
    side.lowest.push_back(values ? found.lowest : 0.0);
    side.highest.push_back(values ? found.highest : 0.0);
  }
  return {};
}

void read_row(const Side& side, std::size_t row, double* cells) noexcept {
  for (std::size_t column = 0; column < side.columns.size(); ++column) cells[column] = cell_of(side.columns[column], row);
}

double distance(const std::vector<ColumnRule>& rules, const double* query, const Side& side,
                std::size_t row) noexcept {
  return sum_of_costs(rules, query, [&](std::size_t column) { return cell_of(side.columns[column], row); });
}

}  // namespace jaxsynth
