// The innermost kernel: every pair of column kinds, bit for bit against one addition at a time.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "harness.hpp"
#include "tile.hpp"

using namespace jaxsynth;

namespace {

constexpr std::size_t columns = 4;
alignas(64) double tile[columns * tile_rows];
alignas(64) double distances[tile_rows];

double plain_cost(const Term& term, double cell) {
  const bool nullable = term.kind == Kind::numeric_null || term.kind == Kind::category_null;
  if (nullable && std::isnan(cell)) return term.null_cost;
  if (term.kind == Kind::numeric || term.kind == Kind::numeric_null) return std::fabs(cell - term.query) * term.scale;
  return cell == term.query ? 0.0 : term.scale;
}

double plain_distance(const std::vector<Term>& terms, std::size_t row) {
  double sum = 0;
  for (const Term& term : terms) sum += plain_cost(term, tile[term.column * tile_rows + row]);
  return sum;
}

void agrees(const std::vector<Term>& terms) {
  const double limit = terms.empty() ? 0.0 : plain_distance(terms, 100);
  const std::uint32_t found = tile_distances(terms.data(), terms.size(), tile, limit, distances);
  std::uint32_t expected = 0;
  bool equal = true;
  for (std::size_t row = 0; row < tile_rows; ++row) {
    const double plain = plain_distance(terms, row);
    equal = equal && std::memcmp(&plain, distances + row, sizeof plain) == 0;
    if (plain < limit) expected |= 1U << (row / group_rows);
  }
  CHECK(equal);
  CHECK(found == expected);
}

void fill(std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  const double null = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t row = 0; row < tile_rows; ++row) {
    tile[row] = normal(random);
    tile[tile_rows + row] = static_cast<double>(random() % 3);
    tile[2 * tile_rows + row] = random() % 4 == 0 ? null : normal(random);
    tile[3 * tile_rows + row] = random() % 4 == 0 ? null : static_cast<double>(random() % 3);
  }
}

std::vector<Term> all_kinds() {
  const double null = std::numeric_limits<double>::quiet_NaN();
  return {{0, 0.3, 0.1, 0, Kind::numeric},           {1, 2.0, 0.7, 0, Kind::category},
          {2, -0.2, 0.3, 0.9, Kind::numeric_null},   {3, 1.0, 0.1, 0.6, Kind::category_null},
          {2, null, 0.4, 0.0, Kind::category_null},  {0, null, 0.4, 0.0, Kind::category}};
}

void agrees_for_all_pairs() {
  agrees({});
  for (const Term& a : all_kinds()) {
    agrees({a});
    for (const Term& b : all_kinds()) {
      agrees({a, b});
      for (const Term& c : all_kinds()) agrees({a, b, c});
    }
  }
}

}  // namespace

int main() {
  std::mt19937_64 random(7);
  for (int round = 0; round < 5; ++round) {
    fill(random);
    agrees_for_all_pairs();
  }
  return test::result();
}
