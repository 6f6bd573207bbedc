// Codes to cells and bits: each width, parts that begin anywhere in a byte, and what does not fit.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "cells.hpp"
#include "harness.hpp"

using namespace jaxsynth;

namespace {

template <class Code>
Rows rows_of(const std::vector<Code>& codes, std::size_t begin, std::size_t end) {
  return {std::span<const Code>(codes).subspan(begin, end - begin), {}};
}

Reading levels(std::size_t present, bool missing, std::size_t width) {
  Reading out;
  CHECK(Reading::levels(present, missing, width, out).ok());
  return out;
}

Reading table(Table cells, bool missing) {
  Reading out;
  CHECK(Reading::table(std::move(cells), missing, out).ok());
  return out;
}

// Every code in turn, decoded in parts, against what `cell` says of it.
template <class Code, class Cell, class Expected>
void compare(const Reading& reading, std::size_t size, std::mt19937_64& random, const Expected& cell) {
  std::vector<Code> codes(1000);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<Code>((i * 7 + i / 3) % size);
  std::vector<Rows> parts;
  for (std::size_t begin = 0; begin < codes.size();) {
    const std::size_t end = std::min(codes.size(), begin + random() % 40);
    parts.push_back(rows_of(codes, begin, end));
    begin = end;
  }
  std::vector<Cell> cells(codes.size());
  std::vector<std::uint8_t> bits(reading.missing() ? (codes.size() + 7) / 8 : 0, 0xff);
  std::size_t nulls = 99, expected = 0;
  CHECK(reading.decode(parts, std::as_writable_bytes(std::span(cells)), bits, nulls).ok());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const bool missing = reading.missing() && codes[i] + 1u == size;
    expected += missing;
    CHECK(cells[i] == (missing ? Cell{0} : static_cast<Cell>(cell(codes[i]))));
    if (reading.missing()) CHECK((bits[i / 8] >> i % 8 & 1) == !missing);
  }
  CHECK(nulls == expected);
}

template <class Code, class Cell>
void compare_all(std::mt19937_64& random) {
  for (const bool missing : {false, true}) {
    const std::size_t size = 100 + missing;
    compare<Code, Cell>(levels(100, missing, sizeof(Cell)), size, random, [](std::size_t code) { return code; });
    std::vector<Cell> cells(100);
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<Cell>(~(i * 0x0123456789abcdef));
    compare<Code, Cell>(table(cells, missing), size, random, [&](std::size_t code) { return cells[code]; });
  }
}

template <class Code>
void compare_widths(std::mt19937_64& random) {
  compare_all<Code, std::uint8_t>(random);
  compare_all<Code, std::uint16_t>(random);
  compare_all<Code, std::uint32_t>(random);
  compare_all<Code, std::uint64_t>(random);
}

void reads_all_codes_of_a_width() {
  std::mt19937_64 random(2);
  compare<std::uint8_t, std::uint8_t>(levels(256, false, 1), 256, random, [](std::size_t code) { return code; });
  compare<std::uint8_t, std::uint8_t>(levels(255, true, 1), 256, random, [](std::size_t code) { return code; });
}

void reads_numbers() {
  Numbers numbers;
  Reading reading;
  CHECK(Numbers::make({-1}, 2, {{0, 1}, {0, 1}, {}}, {}, numbers).ok());
  CHECK(Reading::numbers(std::move(numbers), true, reading).ok() && reading.has_positions());
  const std::vector<std::uint8_t> codes{2, 0, 3, 1};
  const std::vector<float> positions{0.5F, 0.5F, 0.5F, 0.5F};
  std::vector<double> cells(4);
  std::vector<std::uint8_t> bits(1);
  std::size_t nulls = 0;
  Rows rows = rows_of(codes, 0, 4);
  rows.positions = std::span(positions);
  CHECK(reading.decode({&rows, 1}, std::as_writable_bytes(std::span(cells)), bits, nulls).ok());
  CHECK(cells[0] == 0.75 && cells[1] == -1 && cells[3] == 0.25);
  CHECK(bits[0] == 0b1011 && nulls == 1);
  rows.positions = std::span(positions).first(3);
  CHECK(test::invalid(reading.decode({&rows, 1}, std::as_writable_bytes(std::span(cells)), bits, nulls),
                      "3 positions of 4 codes"));
}

void refuses_what_does_not_fit() {
  Reading out;
  CHECK(test::invalid(Reading::levels(2, false, 3, out), "cells of 3 bytes"));
  CHECK(test::invalid(Reading::levels(257, false, 1, out), "do not fit"));
  const std::vector<std::uint8_t> codes{0, 1, 2};
  const std::vector<Rows> parts{rows_of(codes, 0, 2), rows_of(codes, 2, 3)};
  std::vector<std::byte> cells(3);
  std::vector<std::uint8_t> bits(1);
  std::size_t nulls = 0;
  CHECK(test::invalid(levels(2, false, 1).decode(parts, cells, {}, nulls), "code 2 in row 2"));
  CHECK(levels(2, true, 1).decode(parts, cells, bits, nulls).ok());
  CHECK(test::invalid(levels(2, true, 1).decode(parts, cells, {}, nulls), "0 of bits"));
  CHECK(test::invalid(levels(3, false, 1).decode(parts, cells, bits, nulls), "1 of bits"));
  CHECK(test::invalid(levels(3, false, 2).decode(parts, cells, {}, nulls), "room for 3 bytes"));
  CHECK(test::invalid(levels(256, true, 2).decode(parts, cells, bits, nulls), "room for 3"));
  cells.resize(6);
  CHECK(test::invalid(levels(256, true, 2).decode(parts, cells, bits, nulls), "codes of 8 bits"));
  CHECK(test::invalid(levels(0, false, 2).decode(parts, cells, {}, nulls), "has no codes"));
}

}  // namespace

int main() {
  std::mt19937_64 random(1);
  compare_widths<std::uint8_t>(random);
  compare_widths<std::uint16_t>(random);
  compare_widths<std::uint32_t>(random);
  reads_all_codes_of_a_width();
  reads_numbers();
  refuses_what_does_not_fit();
  return test::result();
}
