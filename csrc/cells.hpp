// Codes of a column's rows, and positions inside them, to what an Arrow array of them holds: cells and validity bits.
// jaxsynth/codec says what codes mean. Knows nothing of Python or Arrow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "error.hpp"
#include "numbers.hpp"

namespace jaxsynth {

// Some rows of one column, one after the other in memory.
struct Rows {
  std::variant<std::span<const std::uint8_t>, std::span<const std::uint16_t>, std::span<const std::uint32_t>> codes;
  std::variant<std::span<const float>, std::span<const double>> positions;  // of numbers between knots alone
};

// The cell of each code, in its width.
using Table = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::uint32_t>,
                           std::vector<std::uint64_t>>;

// What a column's codes become. Where cells may be missing, the last code says so, and its cell is any.
class Reading {
 public:
  // Each code is its cell, in so many bytes.
  static Status levels(std::size_t present, bool missing, std::size_t width, Reading& out);
  // Each code has a cell.
  static Status table(Table cells, bool missing, Reading& out);
  // Doubles.
  static Status numbers(Numbers numbers, bool missing, Reading& out);

  std::size_t width() const { return width_; }  // bytes of a cell
  bool missing() const { return missing_; }
  bool has_positions() const { return std::holds_alternative<Numbers>(means_); }

  // Cells of all rows, and a bit for each where cells may be missing: 1 where there is one. `nulls` counts the others.
  Status decode(std::span<const Rows> parts, std::span<std::byte> cells, std::span<std::uint8_t> bits,
                std::size_t& nulls) const;

 private:
  std::size_t size() const { return present_ + (missing_ ? 1 : 0); }

  template <class Coded>
  void write(std::span<const Coded> codes, const Rows& rows, std::byte* out) const;

  struct Levels {};

  std::size_t present_ = 0, width_ = 1;
  bool missing_ = false;
  std::variant<Levels, Table, Numbers> means_;
};

}  // namespace jaxsynth
