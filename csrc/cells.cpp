#include "cells.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

namespace jaxsynth {
namespace {

std::size_t length(const Rows& rows) {
  return std::visit([](const auto& codes) { return codes.size(); }, rows.codes);
}

std::size_t positions(const Rows& rows) {
  return std::visit([](const auto& at) { return at.size(); }, rows.positions);
}

// `act` with a number of the unsigned type that is so many bytes wide.
template <class Act>
void with_width(std::size_t width, const Act& act) {
  switch (width) {
    case 1: return act(std::uint8_t{});
    case 2: return act(std::uint16_t{});
    case 4: return act(std::uint32_t{});
    default: return act(std::uint64_t{});
  }
}

template <class Coded>
Status check(std::span<const Coded> codes, std::size_t size, std::size_t first) {
  if (size == 0) return invalid("there are rows of a column that has no codes; pass none");
  if (size - 1 > std::numeric_limits<Coded>::max())  // none of them would be that of missing cells
    return invalid("codes of " + std::to_string(8 * sizeof(Coded)) + " bits cannot be those of a column of " +
                   std::to_string(size) + "; pass wider ones");
  Coded highest = 0;
  for (const Coded code : codes) highest = std::max(highest, code);
  if (highest < size) return {};
  const auto row = static_cast<std::size_t>(std::ranges::find(codes, highest) - codes.begin());
  return invalid("code " + std::to_string(highest) + " in row " + std::to_string(first + row) +
                 " is none of the column's " + std::to_string(size) + "; decode what its codec encoded");
}

// Bits from `first` on: whether a code is not that of missing cells. Bits that are not written yet are 0.
template <class Coded>
void write_bits(std::span<const Coded> codes, Coded missing, std::size_t first, std::uint8_t* bits) {
  std::size_t i = 0;
  const auto one = [&] {
    const std::size_t row = first + i;
    bits[row / 8] = static_cast<std::uint8_t>(bits[row / 8] | (codes[i] != missing) << row % 8);
  };
  for (; i < codes.size() && (first + i) % 8 != 0; ++i) one();
  for (; i + 8 <= codes.size(); i += 8) {
    unsigned byte = 0;
    for (std::size_t k = 0; k < 8; ++k) byte |= static_cast<unsigned>(codes[i + k] != missing) << k;
    bits[(first + i) / 8] = static_cast<std::uint8_t>(byte);
  }
  for (; i < codes.size(); ++i) one();
}

}  // namespace

Status Reading::levels(std::size_t present, bool missing, std::size_t width, Reading& out) {
  if (width != 1 && width != 2 && width != 4 && width != 8)
    return invalid("cells of " + std::to_string(width) + " bytes; pass 1, 2, 4 or 8");
  if (width < 8 && present > std::size_t{1} << 8 * width)
    return invalid(std::to_string(present) + " levels do not fit " + std::to_string(width) +
                   " bytes; pass wider cells");
  out.present_ = present;
  out.missing_ = missing;
  out.width_ = width;
  out.means_ = Levels{};
  return {};
}

Status Reading::table(Table cells, bool missing, Reading& out) try {
  std::visit(
      [&](auto& table) {
        out.present_ = table.size();
        out.width_ = sizeof(table[0]);
        if (missing) table.push_back(0);
      },
      cells);
  out.missing_ = missing;
  out.means_ = std::move(cells);
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Status Reading::numbers(Numbers numbers, bool missing, Reading& out) {
  out.present_ = numbers.codes();
  out.missing_ = missing;
  out.width_ = sizeof(double);
  out.means_ = std::move(numbers);
  return {};
}

template <class Coded>
void Reading::write(std::span<const Coded> codes, const Rows& rows, std::byte* out) const {
  if (const auto* numbers = std::get_if<Numbers>(&means_)) {
    std::visit([&](const auto& at) { numbers->decode(codes, at, reinterpret_cast<double*>(out)); }, rows.positions);
  } else if (const auto* table = std::get_if<Table>(&means_)) {
    std::visit(
        [&](const auto& cells) {
          auto* to = reinterpret_cast<std::remove_cvref_t<decltype(cells[0])>*>(out);
          for (std::size_t i = 0; i < codes.size(); ++i) to[i] = cells[codes[i]];
        },
        *table);
  } else {
    with_width(width_, [&](auto cell) {
      auto* to = reinterpret_cast<decltype(cell)*>(out);
      if (missing_) {
        const auto none = static_cast<Coded>(present_);
        for (std::size_t i = 0; i < codes.size(); ++i)
          to[i] = static_cast<decltype(cell)>(codes[i] == none ? Coded{0} : codes[i]);
      } else {
        for (std::size_t i = 0; i < codes.size(); ++i) to[i] = static_cast<decltype(cell)>(codes[i]);
      }
    });
  }
}

Status Reading::decode(std::span<const Rows> parts, std::span<std::byte> cells, std::span<std::uint8_t> bits,
                       std::size_t& nulls) const {
  std::size_t total = 0;
  for (const Rows& rows : parts) {
    if (has_positions() && positions(rows) != length(rows))
      return invalid(std::to_string(positions(rows)) + " positions of " + std::to_string(length(rows)) +
                     " codes; pass one a code");
    total += length(rows);
  }
  if (cells.size() != total * width_ || bits.size() != (missing_ ? (total + 7) / 8 : 0))
    return invalid("room for " + std::to_string(cells.size()) + " bytes of cells and " + std::to_string(bits.size()) +
                   " of bits, of " + std::to_string(total) + " rows; pass what they need");
  std::ranges::fill(bits, std::uint8_t{0});
  std::size_t first = 0;
  for (const Rows& rows : parts) {
    const Status status = std::visit(
        [&]<class Coded>(const std::span<const Coded>& codes) {
          if (codes.empty()) return Status{};
          if (Status found = check(codes, size(), first); !found.ok()) return found;
          write(codes, rows, cells.data() + first * width_);
          if (missing_) write_bits(codes, static_cast<Coded>(present_), first, bits.data());
          return Status{};
        },
        rows.codes);
    if (!status.ok()) return status;
    first += length(rows);
  }
  nulls = missing_ ? total : 0;
  for (const std::uint8_t byte : bits) nulls -= static_cast<std::size_t>(std::popcount(byte));
  return {};
}

}  // namespace jaxsynth
