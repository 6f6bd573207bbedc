// Numbers decoded: against a search in long doubles, on grids, at the edges, and with codes that are none.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "harness.hpp"
#include "numbers.hpp"

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
      CHECK(decode_numbers({{}, count, f.knots(true), {}}, interval, position, found).ok());
      CHECK(decode_numbers({{}, count, f.knots(false), {}}, interval, position, searched).ok());
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
  const std::vector<double> atoms{f.values[3]};
  const std::vector<std::int64_t> codes{-5, 1, 4, 5, 1'000'000, 1, 2, 3};
  const std::vector<double> position{0.5, -1e9, 1, 2, 0.5, nan, infinity, -infinity};
  std::vector<double> out(codes.size());
  for (const bool table : {true, false}) {
    CHECK(decode_numbers({atoms, 4, f.knots(table), {}}, codes, position, out).ok());
    CHECK(out[0] == atoms[0]);
    for (const double x : out) CHECK(x >= f.values.front() && x <= f.values.back());
  }
}

void rounds_to_the_grid_inside_its_ends() {
  const std::vector<double> ranks{0, 1}, values{-10, 10}, atoms{0.123};
  std::vector<std::int64_t> codes(2001, 1);
  std::vector<double> position(codes.size()), out(codes.size()), plain(codes.size());
  for (std::size_t i = 0; i < position.size(); ++i) position[i] = static_cast<double>(i) / 2000;
  codes[7] = 0;
  for (const Grid grid : {Grid{1, 1, -9, 9}, Grid{100, 1, -9.5, 9.5}, Grid{1, 0.25, -9, 9}, Grid{1, 3, -9, 9}}) {
    CHECK(decode_numbers({atoms, 1, {values, ranks, {}}, grid}, codes, position, out).ok());
    CHECK(decode_numbers({atoms, 1, {values, ranks, {}}, {}}, codes, position, plain).ok());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double nearest = std::nearbyint(plain[i] * grid.scale / grid.step) * grid.step / grid.scale;
      CHECK(out[i] == (i == 7 ? atoms[0] : std::clamp(nearest, grid.low, grid.high)));
      CHECK(i == 7 || std::signbit(out[i]) == std::signbit(plain[i]));
    }
  }
  const std::vector<double> far{-0x1p60, 0x1p60};  // where every double is whole
  CHECK(decode_numbers({{}, 1, {far, ranks, {}}, {1, 1}}, std::vector<std::int64_t>(2001), position, out).ok());
  CHECK(out.front() == far.front() && out.back() == far.back() && out[1] == far[0] + (far[1] - far[0]) / 2000);
}

void refuses_what_does_not_fit() {
  const std::vector<double> two{0, 1}, one{0};
  const std::vector<std::int64_t> codes{0};
  const std::vector<std::int32_t> beyond{0, 1}, lone{0};
  std::vector<double> out(1), more(2);
  CHECK(test::invalid(decode_numbers({{}, 1, {one, one, {}}, {}}, codes, one, out), "at least two knots"));
  CHECK(test::invalid(decode_numbers({{}, 1, {one, two, {}}, {}}, codes, one, out), "1 values and 2 ranks"));
  CHECK(test::invalid(decode_numbers({{}, 1, {two, two, {}}, {}}, codes, one, more), "differ in length"));
  CHECK(test::invalid(decode_numbers({{}, 1, {two, two, {}}, {}}, codes, two, out), "differ in length"));
  CHECK(test::invalid(decode_numbers({{}, 0, {two, two, {}}, {}}, codes, one, out), "0 intervals"));
  CHECK(test::invalid(decode_numbers({{}, 1, {two, two, beyond}, {}}, codes, one, out), "below the last"));
  CHECK(test::invalid(decode_numbers({{}, 1, {two, two, lone}, {}}, codes, one, out), "two edges"));
}

}  // namespace

int main() {
  agrees_with_a_slow_search();
  stays_within_the_knots();
  rounds_to_the_grid_inside_its_ends();
  refuses_what_does_not_fit();
  return test::result();
}
