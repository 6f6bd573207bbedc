// Packed copies of a table: what the distance kernel reads.
// Only the layout and the conversion into it may live here.
//
// Rows are cut into tiles of `tile_rows`; inside a tile each column is contiguous. Every cell is a
// double: a number as it is, a category as its code (exact up to 2^53), a null as NaN. Because packing
// refuses NaN as a value, NaN can mean null without a second array. Scales are not multiplied in: that
// would round differently from abs(a - b) * scale.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "arrow_view.hpp"
#include "error.hpp"

namespace jaxsynth {

inline constexpr std::size_t tile_rows = 256;  // 14 columns of a tile fit in 32 KiB
inline constexpr std::align_val_t packed_alignment{64};

struct PackedDelete {
  void operator()(double* cells) const noexcept { ::operator delete[](cells, packed_alignment); }
};

struct Packed {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::unique_ptr<double[], PackedDelete> cells;
  std::vector<char> has_null;  // per column

  std::size_t tiles() const noexcept { return (rows + tile_rows - 1) / tile_rows; }
  const double* tile(std::size_t index) const noexcept { return cells.get() + index * columns * tile_rows; }
  double cell(std::size_t row, std::size_t column) const noexcept {
    return tile(row / tile_rows)[column * tile_rows + row % tile_rows];
  }
};

struct ColumnRule {
  bool categorical = false;
  double scale = 0;
};

// Packs one side; `side` begins the message of a failure. The columns have equal lengths and there is
// one rule per column. Stops early, with a cancelled status, once `cancel` is set.
Status pack(const std::string& side, const std::vector<View>& columns, const std::vector<ColumnRule>& rules,
            const std::atomic<bool>& cancel, Packed& packed);

}  // namespace jaxsynth
