// Packing: the layout, the conversions, nulls as NaN, and the cells that are refused.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "column.hpp"
#include "harness.hpp"
#include "pack.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};
const std::vector<ColumnRule> numeric{{false, 1.0}};
const std::vector<ColumnRule> categorical{{true, 1.0}};

void keeps_rows_and_columns() {
  const std::size_t rows = 2 * tile_rows + 3;
  std::vector<double> first(rows);
  std::vector<std::int16_t> second(rows);
  std::vector<bool> nulls(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    first[i] = static_cast<double>(i) / 3;
    second[i] = static_cast<std::int16_t>(i);
    nulls[i] = i % 5 == 0;
  }
  const test::Column a = test::make_column(first, {}, 3), b = test::make_column(second, nulls, 11);
  Packed packed;
  CHECK(pack("reference", {a.view(), b.view()}, {{false, 1.0}, {true, 1.0}}, go_on, packed).ok());
  CHECK(packed.tiles() == 3);
  CHECK(packed.has_null[0] == 0 && packed.has_null[1] == 1);
  for (std::size_t i = 0; i < rows; ++i) {
    CHECK(packed.cell(i, 0) == first[i]);
    CHECK(nulls[i] ? std::isnan(packed.cell(i, 1)) : packed.cell(i, 1) == static_cast<double>(i));
  }
}

template <class T>
Status pack_one(T cell, const std::vector<ColumnRule>& rules, Packed& packed, bool null = false) {
  const test::Column column = test::make_column<T>({T{}, cell}, {false, null});
  return pack("queries", {column.view()}, rules, go_on, packed);
}

void converts_as_the_language_does() {
  Packed packed;
  CHECK(pack_one<std::int64_t>(INT64_MAX, numeric, packed).ok() && packed.cell(1, 0) == 9223372036854775808.0);
  CHECK(pack_one<std::uint64_t>(UINT64_MAX, numeric, packed).ok() && packed.cell(1, 0) == 18446744073709551616.0);
  CHECK(pack_one<float>(0.1F, numeric, packed).ok() && packed.cell(1, 0) == static_cast<double>(0.1F));
  CHECK(pack_one<std::int8_t>(-128, categorical, packed).ok() && packed.cell(1, 0) == -128.0);
}

void refuses_cells() {
  Packed packed;
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(test::invalid(pack_one<double>(std::nan(""), numeric, packed), "queries column 0, row 1 is NaN"));
  CHECK(test::invalid(pack_one<double>(-inf, numeric, packed), "queries column 0, row 1 is infinite"));
  CHECK(test::invalid(pack_one<float>(std::nanf(""), numeric, packed), "row 1 is NaN"));
  const std::int64_t edge = std::int64_t{1} << 53;
  CHECK(pack_one<std::int64_t>(-edge, categorical, packed).ok());
  CHECK(test::invalid(pack_one<std::int64_t>(edge + 1, categorical, packed), "beyond 2^53"));
  CHECK(test::invalid(pack_one<std::int64_t>(-edge - 1, categorical, packed), "beyond 2^53"));
  CHECK(test::invalid(pack_one<std::uint64_t>(UINT64_MAX, categorical, packed), "beyond 2^53"));
}

void ignores_what_lies_under_a_null() {
  Packed packed;
  CHECK(pack_one<double>(std::nan(""), numeric, packed, true).ok());
  CHECK(pack_one<std::uint64_t>(UINT64_MAX, categorical, packed, true).ok());
}

void drops_values_without_weight() {
  Packed packed;
  CHECK(pack_one<double>(1e308, {{false, 0.0}}, packed).ok() && packed.cell(1, 0) == 0.0);
  CHECK(!pack_one<double>(std::nan(""), {{false, 0.0}}, packed).ok());
}

void packs_nothing_and_cancels() {
  Packed packed;
  const test::Column none = test::make_column<double>({}), some = test::make_column<double>({1});
  CHECK(pack("reference", {none.view()}, numeric, go_on, packed).ok() && packed.tiles() == 0);
  const std::atomic<bool> stop{true};
  CHECK(test::fails_with(pack("reference", {some.view()}, numeric, stop, packed), Code::cancelled, ""));
}

}  // namespace

int main() {
  keeps_rows_and_columns();
  converts_as_the_language_does();
  refuses_cells();
  ignores_what_lies_under_a_null();
  drops_values_without_weight();
  packs_nothing_and_cancels();
  return test::result();
}
