// How columns become codes and numbers, and the limits that make skipping rows by them safe.
#include "coarse.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace jaxsynth {
namespace {

constexpr double largest_number = 1e30;  // cutting off only brings rows nearer, and keeps sums finite
constexpr std::uint8_t null_code = 255;
constexpr double most_units = 255.0;
constexpr double least_weight = 1e-30;  // beyond it and its inverse, a product of floats may leave their range

float rounded_down(double cost) {
  const float rounded = static_cast<float>(std::min(cost, largest_number));
  return double{rounded} > cost ? std::nextafter(rounded, 0.0F) : rounded;
}

// Whether every value of a column is a float that will not be cut off.
bool holds_floats(const Side& side, std::size_t column) {
  const double largest = std::max(std::fabs(side.lowest[column]), std::fabs(side.highest[column]));
  if (largest > largest_number) return false;
  if (side.columns[column].type == Type::f32) return true;
  if (is_integer(side.columns[column].type)) return largest <= 0x1p24;
  for (std::size_t row = 0; row < side.rows; ++row) {
    const double cell = cell_of(side.columns[column], row);
    if (!std::isnan(cell) && double{static_cast<float>(cell)} != cell) return false;
  }
  return true;
}

// At equal costs the units are exact: each is the same whole number.
void share_units(Encoding& encoding) {
  double largest = 0, sum = 0;
  for (const CodeColumn& code : encoding.codes) largest = std::max(largest, code.cost), sum += code.cost;
  if (sum == 0) return;
  const double most = std::max(1.0, std::floor(most_units * (largest / sum)));
  encoding.unit = rounded_down(largest / most);
  for (CodeColumn& code : encoding.codes) code.units = static_cast<std::uint8_t>(code.cost / largest * most);
}

void add_column(Encoding& encoding, std::size_t column, const ColumnRule& rule, const Side& reference,
                const Side& queries) {
  const bool null = reference.has_null[column] != 0 || queries.has_null[column] != 0;
  const double low = reference.lowest[column], high = reference.highest[column];
  if (rule.categorical) {
    const double cost = null ? std::min(rule.scale, rule.null_cost) : rule.scale;
    if (cost == 0) return;
    if (low >= 0 && high < null_code) encoding.sources[column] = {CellSource::Kind::code, encoding.codes.size()};
    encoding.codes.push_back({column, false, cost, 0});
    return;
  }
  if (null && rule.null_cost > 0) encoding.codes.push_back({column, true, rule.null_cost, 0});
  if (rule.scale == 0) return;
  NumberColumn number{column, low / 2 + high / 2, rule.scale, 1, 0, rounded_down(rule.null_cost)};
  if (rule.scale >= least_weight && rule.scale <= 1 / least_weight && holds_floats(reference, column)) {
    number = {column, 0, 1, static_cast<float>(rule.scale), 0, number.null_cost};
    encoding.sources[column] = {CellSource::Kind::number, encoding.numbers.size()};
  }
  number.largest = std::max(std::fabs(number_of(number, low)), std::fabs(number_of(number, high)));
  encoding.numbers.push_back(number);
}

std::size_t padded(std::size_t count) { return (count + wide_lanes - 1) / wide_lanes * wide_lanes; }

}  // namespace

Encoding make_encoding(const std::vector<ColumnRule>& rules, const Side& reference, const Side& queries) {
  Encoding encoding;
  encoding.sources.resize(rules.size());
  for (std::size_t column = 0; column < rules.size(); ++column)
    add_column(encoding, column, rules[column], reference, queries);
  share_units(encoding);
  return encoding;
}

std::uint8_t code_of(const CodeColumn& column, double cell) noexcept {
  if (column.nullness) return std::isnan(cell) ? 1 : 0;
  if (std::isnan(cell)) return null_code;
  return static_cast<std::uint8_t>(static_cast<std::uint64_t>(static_cast<std::int64_t>(cell)) % null_code);
}

float number_of(const NumberColumn& column, double cell) noexcept {
  if (std::isnan(cell)) return std::numeric_limits<float>::quiet_NaN();
  const double gap = cell - column.centre;
  // Numbers at both ends of the range: their halves still have a difference.
  const double size = std::isinf(gap) ? (cell / 2 - column.centre / 2) * column.scale * 2 : gap * column.scale;
  return static_cast<float>(std::clamp(size, -largest_number, largest_number));
}

CoarseQuery::CoarseQuery(const Encoding& encoding, std::size_t columns)
    : cells(columns),
      codes(encoding.codes.size()),
      units(encoding.codes.size()),
      numbers(padded(encoding.numbers.size()), 0.0F),
      weights(padded(encoding.numbers.size()), 0.0F),
      bits(padded(encoding.codes.size()), ~std::uint32_t{0}),
      code_costs(padded(encoding.codes.size()), 0.0F),
      number_columns(encoding.numbers.size()),
      factor(1 + static_cast<double>(encoding.codes.size() + encoding.numbers.size() + 4) * 0x1p-21) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    units[i] = encoding.codes[i].units;
    code_costs[i] = static_cast<float>(units[i]) * encoding.unit;
  }
  for (std::size_t i = 0; i < number_columns; ++i) weights[i] = encoding.numbers[i].weight;
}

void encode_query(const Encoding& encoding, const Side& queries, std::size_t row, CoarseQuery& query) {
  read_row(queries, row, query.cells.data());
  for (std::size_t i = 0; i < encoding.codes.size(); ++i) {
    query.codes[i] = code_of(encoding.codes[i], query.cells[encoding.codes[i].column]);
    query.bits[i] = std::uint32_t{1} << (query.codes[i] % 32);
  }
  query.slack = 0;
  for (std::size_t i = 0; i < encoding.numbers.size(); ++i) {
    const NumberColumn& number = encoding.numbers[i];
    query.numbers[i] = number_of(number, query.cells[number.column]);
    const double size = std::isnan(query.numbers[i]) ? 0.0 : std::fabs(double{query.numbers[i]});
    const double largest = std::max(double{number.largest}, size) * double{number.weight};
    query.slack += (largest + double{std::numeric_limits<float>::min()}) * 0x1p-21;
  }
}

QueryView CoarseQuery::view() const noexcept {
  return {codes.data(),   units.data(), codes.size(),     numbers.data(), weights.data(),
          number_columns, bits.data(),  code_costs.data()};
}

Admission admit(const Encoding& encoding, const CoarseQuery& query, double limit) noexcept {
  const double most = (limit + query.slack) * query.factor;
  if (!(most < double{std::numeric_limits<float>::max()}))
    return {std::numeric_limits<float>::infinity(), 255, encoding.unit};
  const float bound = std::nextafter(static_cast<float>(most), std::numeric_limits<float>::infinity());
  const double units = encoding.unit == 0 ? most_units : double{bound} / double{encoding.unit};
  return {bound, units >= most_units ? std::uint8_t{255} : static_cast<std::uint8_t>(units), encoding.unit};
}

double distance_at(const std::vector<ColumnRule>& rules, const Encoding& encoding, const CoarseRows& rows,
                   const Side& side, const double* query, std::size_t place) noexcept {
  const std::uint8_t* codes = rows.block_codes(place / block_rows) + place % block_rows;
  const float* numbers = rows.block_numbers(place / block_rows) + place % block_rows;
  return sum_of_costs(rules, query, [&](std::size_t column) {
    const CellSource& source = encoding.sources[column];
    if (source.kind == CellSource::Kind::cells) return cell_of(side.columns[column], rows.row(place));
    if (source.kind == CellSource::Kind::number) return double{numbers[source.at * block_rows]};
    const std::uint8_t code = codes[source.at * block_rows];
    return code == null_code ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(code);
  });
}

CoarseRows encode_rows(const Encoding& encoding, const Side& side) {
  CoarseRows rows;
  rows.rows = side.rows;
  rows.code_columns = encoding.codes.size();
  rows.number_columns = encoding.numbers.size();
  const std::size_t places = rows.blocks() * block_rows;
  rows.codes = aligned<std::uint8_t>(places * rows.code_columns);
  rows.numbers = aligned<float>(places * rows.number_columns);
  for (std::size_t i = 0; i < rows.code_columns; ++i) {
    const CodeColumn& code = encoding.codes[i];
    for (std::size_t place = 0; place < places; ++place)
      rows.codes[(place / block_rows * rows.code_columns + i) * block_rows + place % block_rows] =
          place < side.rows ? code_of(code, cell_of(side.columns[code.column], place)) : std::uint8_t{0};
  }
  for (std::size_t i = 0; i < rows.number_columns; ++i) {
    const NumberColumn& number = encoding.numbers[i];
    for (std::size_t place = 0; place < places; ++place)
      rows.numbers[(place / block_rows * rows.number_columns + i) * block_rows + place % block_rows] =
          place < side.rows ? number_of(number, cell_of(side.columns[number.column], place)) : 0.0F;
  }
  return rows;
}

namespace {

template <class T>
void reorder_column(T* cells, std::size_t columns, std::size_t column, const std::vector<std::uint32_t>& order) {
  const auto at = [&](std::size_t place) -> T& {
    return cells[(place / block_rows * columns + column) * block_rows + place % block_rows];
  };
  std::vector<T> moved(order.size());
  for (std::size_t place = 0; place < order.size(); ++place) moved[place] = at(order[place]);
  for (std::size_t place = 0; place < order.size(); ++place) at(place) = moved[place];
}

}  // namespace

void reorder(CoarseRows& rows, std::vector<std::uint32_t> order) {
  for (std::size_t i = 0; i < rows.code_columns; ++i) reorder_column(rows.codes.get(), rows.code_columns, i, order);
  for (std::size_t i = 0; i < rows.number_columns; ++i)
    reorder_column(rows.numbers.get(), rows.number_columns, i, order);
  rows.order = std::move(order);
}

}  // namespace jaxsynth
