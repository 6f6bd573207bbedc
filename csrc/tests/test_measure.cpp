// Reading cells: the conversions, nulls as NaN, the cells that are refused; and the costs of a pair.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "column.hpp"
#include "harness.hpp"
#include "measure.hpp"

using namespace jaxsynth;

namespace {

const std::atomic<bool> go_on{false};
const std::vector<ColumnRule> numeric{{false, 1.0, 1.0}};
const std::vector<ColumnRule> categorical{{true, 1.0, 1.0}};

// The view of the last column that was read stays valid: its storage is kept.
struct Read {
  test::Column column;
  Side side;
  Status status;
  double cell() const { return cell_of(side.columns[0], 1); }
};

template <class T>
Read read_one(T cell, const std::vector<ColumnRule>& rules, bool null = false) {
  Read read{test::make_column<T>({T{}, cell}, {false, null}), {}, {}};
  read.status = read_side("queries", {read.column.view()}, rules, go_on, read.side);
  return read;
}

void converts_as_the_language_does() {
  CHECK(read_one<std::int64_t>(INT64_MAX, numeric).cell() == 9223372036854775808.0);
  CHECK(read_one<std::uint64_t>(UINT64_MAX, numeric).cell() == 18446744073709551616.0);
  CHECK(read_one<float>(0.1F, numeric).cell() == static_cast<double>(0.1F));
  CHECK(read_one<std::int8_t>(-128, categorical).cell() == -128.0);
}

void refuses_cells() {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(test::invalid(read_one<double>(std::nan(""), numeric).status, "queries column 0, row 1 is NaN"));
  CHECK(test::invalid(read_one<double>(-inf, numeric).status, "queries column 0, row 1 is infinite"));
  CHECK(test::invalid(read_one<float>(std::nanf(""), numeric).status, "row 1 is NaN"));
  const std::int64_t edge = std::int64_t{1} << 53;
  CHECK(read_one<std::int64_t>(-edge, categorical).status.ok());
  CHECK(test::invalid(read_one<std::int64_t>(edge + 1, categorical).status, "beyond 2^53"));
  CHECK(test::invalid(read_one<std::int64_t>(-edge - 1, categorical).status, "beyond 2^53"));
  CHECK(test::invalid(read_one<std::uint64_t>(UINT64_MAX, categorical).status, "beyond 2^53"));
  CHECK(test::invalid(read_one<double>(std::nan(""), {{false, 0.0, 0.0}}).status, "NaN"));
}

void ignores_what_lies_under_a_null() {
  const Read read = read_one<double>(std::nan(""), numeric, true);
  CHECK(read.status.ok() && read.side.has_null[0] == 1 && std::isnan(read.cell()));
  CHECK(read_one<std::uint64_t>(UINT64_MAX, categorical, true).status.ok());
}

void knows_its_range() {
  const test::Column column = test::make_column<std::int16_t>({3, 900, -7, 5}, {false, true, false, false}, 5);
  const test::Column nulls = test::make_column<double>({1, 2, 3, 4}, {true, true, true, true});
  Side side;
  CHECK(read_side("reference", {column.view(), nulls.view()}, {{false, 1, 1}, {false, 1, 1}}, go_on, side).ok());
  CHECK(side.lowest[0] == -7 && side.highest[0] == 5 && side.rows == 4);
  CHECK(side.lowest[1] == 0 && side.highest[1] == 0);
}

void charges_what_the_rules_say() {
  const double null = std::nan("");
  const ColumnRule number{false, 0.5, 3}, code{true, 2, 0.25}, weightless{false, 0, 1};
  CHECK(cost_of(number, 1, 4) == 1.5 && cost_of(number, 4, 1) == 1.5);
  CHECK(cost_of(number, null, 4) == 3 && cost_of(number, 4, null) == 3 && cost_of(number, null, null) == 0);
  CHECK(cost_of(code, 1, 4) == 2 && cost_of(code, 4, 4) == 0 && cost_of(code, null, 4) == 0.25);
  CHECK(cost_of(weightless, 1e308, -1e308) == 0 && cost_of(weightless, null, 1) == 1);
}

void reads_nothing_and_cancels() {
  Side side;
  const test::Column none = test::make_column<double>({}), some = test::make_column<double>({1});
  CHECK(read_side("reference", {none.view()}, numeric, go_on, side).ok() && side.rows == 0);
  const std::atomic<bool> stop{true};
  CHECK(test::fails_with(read_side("reference", {some.view()}, numeric, stop, side), Code::cancelled, ""));
}

}  // namespace

int main() {
  converts_as_the_language_does();
  refuses_cells();
  ignores_what_lies_under_a_null();
  knows_its_range();
  charges_what_the_rules_say();
  reads_nothing_and_cancels();
  return test::result();
}
