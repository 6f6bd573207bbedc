// Conversion of Arrow cells to tiles of doubles, with the checks that need to see every cell.
#include "pack.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace jaxsynth {
namespace {

constexpr double null_cell = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t largest_code = std::int64_t{1} << 53;  // beyond it two codes may share a double

struct Target {
  Packed& packed;
  std::size_t column;

  double& operator[](std::size_t row) const noexcept {
    return packed.cells[((row / tile_rows) * packed.columns + column) * tile_rows + row % tile_rows];
  }
};

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

// Returns the number of rows packed: fewer than the view holds when a cell is not acceptable.
template <class T>
std::size_t pack_cells(const View& view, const ColumnRule& rule, const Target& target) {
  // A column of no weight packs as zeros, so that not even an overflowing difference can matter.
  const bool weightless = !rule.categorical && rule.scale == 0.0;
  for (std::size_t row = 0; row < view.length; ++row) {
    if (view.is_null(row)) {
      target[row] = null_cell;
      target.packed.has_null[target.column] = 1;
      continue;
    }
    const T cell = view.value<T>(row);
    if (!acceptable(cell, rule.categorical)) return row;
    target[row] = weightless ? 0.0 : static_cast<double>(cell);
  }
  return view.length;
}

std::size_t pack_column(const View& view, const ColumnRule& rule, const Target& target) {
  switch (view.type) {
    case Type::i8: return pack_cells<std::int8_t>(view, rule, target);
    case Type::i16: return pack_cells<std::int16_t>(view, rule, target);
    case Type::i32: return pack_cells<std::int32_t>(view, rule, target);
    case Type::i64: return pack_cells<std::int64_t>(view, rule, target);
    case Type::u8: return pack_cells<std::uint8_t>(view, rule, target);
    case Type::u16: return pack_cells<std::uint16_t>(view, rule, target);
    case Type::u32: return pack_cells<std::uint32_t>(view, rule, target);
    case Type::u64: return pack_cells<std::uint64_t>(view, rule, target);
    case Type::f32: return pack_cells<float>(view, rule, target);
    case Type::f64: return pack_cells<double>(view, rule, target);
  }
  return 0;
}

Status unacceptable(const std::string& side, std::size_t column, std::size_t row, const View& view) {
  const std::string place = side + " column " + std::to_string(column) + ", row " + std::to_string(row);
  if (is_integer(view.type))
    return invalid(place + " holds a category code beyond 2^53; number the categories from 0");
  const double cell = view.type == Type::f32 ? double{view.value<float>(row)} : view.value<double>(row);
  return invalid(place + (std::isnan(cell) ? " is NaN" : " is infinite") +
                 "; numeric cells must be finite: make the cell null or remove the row");
}

bool allocate(Packed& packed) {
  const std::size_t tiles = packed.tiles();
  if (tiles > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(double) / tile_rows / packed.columns) return false;
  const std::size_t count = tiles * packed.columns * tile_rows;
  packed.cells.reset(new (packed_alignment, std::nothrow) double[count]);
  return packed.cells != nullptr;
}

// The rows that fill up the last tile are computed with the others and then ignored.
void fill_tail(const Target& target) {
  for (std::size_t row = target.packed.rows; row < target.packed.tiles() * tile_rows; ++row) target[row] = 0.0;
}

}  // namespace

Status pack(const std::string& side, const std::vector<View>& columns, const std::vector<ColumnRule>& rules,
            const std::atomic<bool>& cancel, Packed& packed) {
  packed.columns = columns.size();
  packed.rows = columns.empty() ? 0 : columns.front().length;
  packed.has_null.assign(columns.size(), 0);
  if (packed.rows == 0) return {};
  if (!allocate(packed)) return out_of_memory();
  for (std::size_t column = 0; column < columns.size(); ++column) {
    if (cancel.load(std::memory_order_relaxed)) return cancelled();
    const Target target{packed, column};
    const std::size_t done = pack_column(columns[column], rules[column], target);
    if (done != packed.rows) return unacceptable(side, column, done, columns[column]);
    fill_tail(target);
  }
  return {};
}

}  // namespace jaxsynth
