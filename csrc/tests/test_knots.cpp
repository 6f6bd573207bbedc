// Values at positions: against a search in long doubles, at the edges, and with places that are out of bounds.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "harness.hpp"
#include "knots.hpp"

using namespace jaxsynth;

namespace {

struct Function {
  std::vector<double> values, ranks;
  std::vector<std::int32_t> starts;

  Knots knots(bool table) const { return {values, ranks, table ? std::span(starts) : std::span<const std::int32_t>{}}; }
};

// Even ranks have a table of `cells` cells.
Function random_function(std::size_t m, std::size_t cells, std::mt19937_64& random) {
  std::uniform_real_distribution<double> rise(0.01, 1.0);
  Function f;
  double value = -3;
  for (std::size_t j = 0; j < m; ++j) {
    f.values.push_back(value += rise(random));
    f.ranks.push_back(static_cast<double>(j) / static_cast<double>(m - 1));
  }
  for (std::size_t c = 0; c <= cells; ++c) {
    const double edge = static_cast<double>(c) / static_cast<double>(cells);
    const auto above = std::upper_bound(f.ranks.begin(), f.ranks.end(), edge) - f.ranks.begin();
    f.starts.push_back(static_cast<std::int32_t>(std::clamp<std::ptrdiff_t>(above - 1, 0, std::ptrdiff_t(m) - 2)));
  }
  return f;
}

double slow(const Function& f, std::int64_t interval, double position, std::int64_t count) {
  const long double rank = (static_cast<long double>(interval) + position) / static_cast<long double>(count);
  std::size_t j = 0;
  while (j + 2 < f.ranks.size() && rank >= f.ranks[j + 1]) ++j;
  const long double share = (rank - f.ranks[j]) / (static_cast<long double>(f.ranks[j + 1]) - f.ranks[j]);
  return static_cast<double>(f.values[j] + std::clamp(share, 0.0L, 1.0L) * (f.values[j + 1] - f.values[j]));
}

void agrees_with_a_slow_search() {
  std::mt19937_64 random(1);
  for (const std::size_t m : {2, 3, 100, 1025}) {
    const Function f = random_function(m, 2 * m, random);
    for (const std::int64_t count : {1, 64, 100}) {
      std::vector<std::int64_t> interval(3000);
      std::vector<double> position(interval.size()), found(interval.size()), searched(interval.size());
      std::uniform_int_distribution<std::int64_t> any(0, count - 1);
      std::uniform_real_distribution<double> within(0, 1);
      for (std::size_t i = 0; i < interval.size(); ++i) {
        interval[i] = any(random);
        position[i] = i % 7 == 0 ? 0 : i % 7 == 1 ? 1 : within(random);
      }
      const Places places{interval, position, count};
      CHECK(values_at(f.knots(true), places, found).ok());
      CHECK(values_at(f.knots(false), places, searched).ok());
      CHECK(found == searched);
      for (std::size_t i = 0; i < interval.size(); ++i)
        CHECK(std::abs(found[i] - slow(f, interval[i], position[i], count)) < 1e-9);
    }
  }
}

void stays_within_the_knots() {
  std::mt19937_64 random(2);
  const Function f = random_function(10, 20, random);
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::int64_t> interval{-5, 0, 3, 4, 1'000'000, 0, 0, 0};
  const std::vector<double> position{0.5, -1e9, 1, 2, 0.5, nan, infinity, -infinity};
  std::vector<double> out(interval.size());
  for (const bool table : {true, false}) {
    CHECK(values_at(f.knots(table), {interval, position, 4}, out).ok());
    for (const double x : out) CHECK(x >= f.values.front() && x <= f.values.back());
  }
}

void refuses_what_does_not_fit() {
  const std::vector<double> two{0, 1}, one{0};
  const std::vector<std::int64_t> interval{0};
  const std::vector<std::int32_t> beyond{0, 1}, lone{0};
  std::vector<double> out(1), more(2);
  CHECK(test::invalid(values_at({one, one, {}}, {interval, one, 1}, out), "at least two knots"));
  CHECK(test::invalid(values_at({one, two, {}}, {interval, one, 1}, out), "1 values and 2 ranks"));
  CHECK(test::invalid(values_at({two, two, {}}, {interval, one, 1}, more), "differ in length"));
  CHECK(test::invalid(values_at({two, two, {}}, {interval, one, 0}, out), "0 intervals"));
  CHECK(test::invalid(values_at({two, two, beyond}, {interval, one, 1}, out), "below the last"));
  CHECK(test::invalid(values_at({two, two, lone}, {interval, one, 1}, out), "two edges"));
}

}  // namespace

int main() {
  agrees_with_a_slow_search();
  stays_within_the_knots();
  refuses_what_does_not_fit();
  return test::result();
}
