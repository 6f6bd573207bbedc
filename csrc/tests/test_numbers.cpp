// Numbers decoded: against a search in long doubles, on grids, at the edges, and with codes that are none.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "harness.hpp"
#include "numbers.hpp"

using namespace jaxsynth;

namespace {

struct Function {
  std::vector<double> values, ranks;
  std::vector<std::int32_t> starts;

  Knots knots(bool table) const { return {values, ranks, table ? starts : std::vector<std::int32_t>{}}; }
};

// Of the codec these make, which they do.
Numbers numbers(const std::vector<double>& atoms, std::int64_t intervals, const Knots& knots, const Grid& grid = {}) {
  Numbers out;
  CHECK(Numbers::make(atoms, intervals, knots, grid, out).ok());
  return out;
}

template <class Code>
std::vector<double> decoded(const Numbers& codec, const std::vector<Code>& codes, const std::vector<double>& positions) {
  std::vector<double> out(codes.size());
  codec.decode(std::span<const Code>(codes), std::span<const double>(positions), out.data());
  return out;
}

// Even ranks have a table of `cells` cells.
Function random_function(std::size_t m, std::size_t cells, std::mt19937_64& random) {
  std::uniform_real_distribution<double> rise(0.01, 1.0);
  Function f;
  double value = 3;
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
      std::vector<std::uint8_t> interval(3000);
      std::vector<double> position(interval.size());
      std::uniform_int_distribution<int> any(0, static_cast<int>(count) - 1);
      std::uniform_real_distribution<double> within(0, 1);
      for (std::size_t i = 0; i < interval.size(); ++i) {
        interval[i] = static_cast<std::uint8_t>(any(random));
        position[i] = i % 7 == 0 ? 0 : i % 7 == 1 ? 1 : within(random);
      }
      const std::vector<double> found = decoded(numbers({}, count, f.knots(true)), interval, position);
      CHECK(found == decoded(numbers({}, count, f.knots(false)), interval, position));
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
  const std::vector<std::uint32_t> codes{0, 1, 4, 5, 4'000'000'000, 1, 2, 3};
  const std::vector<double> position{0.5, -1e9, 1, 2, 0.5, nan, infinity, -infinity};
  for (const bool table : {true, false}) {
    const std::vector<double> out = decoded(numbers(atoms, 4, f.knots(table)), codes, position);
    CHECK(out[0] == atoms[0]);
    for (const double x : out) CHECK(x >= f.values.front() && x <= f.values.back());
  }
}

void rounds_to_the_grid_inside_its_ends() {
  const std::vector<double> ranks{0, 1}, values{-10, 10}, atoms{0.123};
  std::vector<std::uint16_t> codes(2001, 1);
  std::vector<double> position(codes.size());
  for (std::size_t i = 0; i < position.size(); ++i) position[i] = static_cast<double>(i) / 2000;
  codes[7] = 0;
  for (const Grid grid : {Grid{1, 1, -9, 9}, Grid{100, 1, -9.5, 9.5}, Grid{1, 0.25, -9, 9}, Grid{1, 3, -9, 9}}) {
    const std::vector<double> out = decoded(numbers(atoms, 1, {values, ranks, {}}, grid), codes, position);
    const std::vector<double> plain = decoded(numbers(atoms, 1, {values, ranks, {}}), codes, position);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double nearest = std::nearbyint(plain[i] * grid.scale / grid.step) * grid.step / grid.scale;
      CHECK(out[i] == (i == 7 ? atoms[0] : std::clamp(nearest, grid.low, grid.high)));
      CHECK(i == 7 || std::signbit(out[i]) == std::signbit(plain[i]));
    }
  }
  const std::vector<double> far{-0x1p60, 0x1p60};  // where every double is whole
  const std::vector<double> out = decoded(numbers({}, 1, {far, ranks, {}}, {1, 1}), std::vector<std::uint8_t>(2001), position);
  CHECK(out.front() == far.front() && out.back() == far.back() && out[1] == far[0] + (far[1] - far[0]) / 2000);
}

void reads_positions_of_both_widths() {
  const Numbers codec = numbers({}, 1, {{0, 1}, {0, 1}, {}});
  const std::vector<float> position{0.25F, 0.5F};
  const std::vector<std::uint8_t> codes(2);
  std::vector<double> out(2);
  codec.decode(std::span<const std::uint8_t>(codes), std::span<const float>(position), out.data());
  CHECK((out == std::vector<double>{0.25, 0.5}));
}

void refuses_what_does_not_fit() {
  const std::vector<double> two{0, 1}, one{0};
  Numbers out;
  CHECK(test::invalid(Numbers::make({}, 1, {one, one, {}}, {}, out), "at least two knots"));
  CHECK(test::invalid(Numbers::make({}, 1, {one, two, {}}, {}, out), "1 values and 2 ranks"));
  CHECK(test::invalid(Numbers::make({}, 0, {two, two, {}}, {}, out), "0 intervals"));
  CHECK(test::invalid(Numbers::make({}, 1, {two, two, {0, 1}}, {}, out), "below the last"));
  CHECK(test::invalid(Numbers::make({}, 1, {two, two, {0}}, {}, out), "two edges"));
}

}  // namespace

int main() {
  agrees_with_a_slow_search();
  stays_within_the_knots();
  rounds_to_the_grid_inside_its_ends();
  reads_positions_of_both_widths();
  refuses_what_does_not_fit();
  return test::result();
}
