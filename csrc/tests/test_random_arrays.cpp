// Arrays of random values: the same for any number of threads, batches as told, arguments checked.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "harness.hpp"
#include "random_arrays.hpp"

using namespace jaxsynth;

namespace {

using Ints = std::vector<std::int32_t>;

const std::atomic<bool> go_on{false};
const Key key{};

Ints gaussian(std::size_t n, std::size_t threads) {
  Ints out(n);
  CHECK(draw_discrete_gaussian({key, threads, go_on}, 1e6, out).ok());
  return out;
}

Ints batches(std::size_t steps, std::size_t size, std::int64_t units, std::int64_t threshold, std::size_t threads) {
  Ints out(steps * size, -1);
  CHECK(draw_poisson_batches({key, threads, go_on}, units, threshold, size, out).ok());
  return out;
}

std::vector<std::uint32_t> words(std::size_t n, std::size_t threads) {
  std::vector<std::uint32_t> out(n);
  CHECK(draw_words({key, threads, go_on}, out).ok());
  return out;
}

void does_not_depend_on_threads() {
  for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{8192}, std::size_t{50001}}) {
    CHECK(gaussian(n, 1) == gaussian(n, 2) && gaussian(n, 1) == gaussian(n, 5));
    CHECK(words(n, 1) == words(n, 3));
  }
  const std::int64_t tenth = std::int64_t{1} << 29;
  CHECK(batches(50, 300, 1000, tenth, 1) == batches(50, 300, 1000, tenth, 4));
}

void begins_alike_and_never_repeats() {
  const std::vector<std::uint32_t> longer = words(50000, 2), shorter = words(777, 1);
  CHECK(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  std::vector<std::uint32_t> sorted = longer;
  std::sort(sorted.begin(), sorted.end());
  // .3 equal pairs are expected; a piece that repeated another would have thousands.
  CHECK(sorted.end() - std::unique(sorted.begin(), sorted.end()) < 6);
}

// Unit by unit, each by eight bits of the stream and, where these do not say, by 24 of the next word.
Ints slow_batches(std::size_t steps, std::size_t size, std::int64_t units, std::int64_t threshold) {
  Ints out;
  for (std::size_t step = 0; step < steps; ++step) {
    ChaCha bits(key, step);
    std::uint64_t word = 0;
    for (std::int64_t unit = 0; unit < units && out.size() < (step + 1) * size; ++unit) {
      if (unit % 8 == 0) word = bits.next64();
      const auto first = static_cast<std::int64_t>(word >> unit % 8 * 8 & 0xff);
      const bool decided = first != threshold >> 24;
      const auto rest = decided ? 0 : static_cast<std::int64_t>(bits.next64() & 0xffffff);
      if ((first << 24 | rest) < threshold) out.push_back(static_cast<std::int32_t>(unit));
    }
    out.resize((step + 1) * size, static_cast<std::int32_t>(units));
  }
  return out;
}

void takes_what_a_slow_walk_takes() {
  for (const std::int64_t edge : {0, 1, 2, 32, 126, 127, 128, 129, 255})
    for (const std::int64_t rest : {0, 1 << 20, (1 << 24) - 1})
      for (const std::int64_t units : {0, 1, 7, 8, 9, 1003, 5000})
        for (const std::size_t size : {std::size_t{1}, std::size_t{40}, std::size_t{5000}})
          CHECK(batches(2, size, units, edge << 24 | rest, 1) == slow_batches(2, size, units, edge << 24 | rest));
}

void takes_none_all_or_the_first() {
  CHECK(batches(2, 3, 5, 0, 1) == (Ints{5, 5, 5, 5, 5, 5}));
  CHECK(batches(2, 7, 5, std::int64_t{1} << 32, 1) == (Ints{0, 1, 2, 3, 4, 5, 5, 0, 1, 2, 3, 4, 5, 5}));
  CHECK(batches(1, 3, 5, std::int64_t{1} << 32, 1) == (Ints{0, 1, 2}));
  CHECK(batches(1, 2, 0, std::int64_t{1} << 32, 1) == (Ints{0, 0}));
  CHECK(batches(1, 0, 9, 5, 1).empty());
}

void takes_ascending_units_as_often_as_told() {
  // Thresholds that their first 8 bits alone would round by half of themselves.
  for (std::int64_t threshold : {std::int64_t{0x1800000}, std::int64_t{0x0800000}}) {
    const std::size_t steps = 100, size = 1000;
    const std::int32_t units = 40000;
    const Ints all = batches(steps, size, units, threshold, 2);
    double taken = 0;
    for (std::size_t step = 0; step < steps; ++step) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(step * size), last = first + size;
      const auto end = std::find(first, last, units);
      CHECK(std::adjacent_find(first, end, std::greater_equal<>()) == end);
      CHECK(std::all_of(end, last, [](std::int32_t x) { return x == units; }));
      taken += static_cast<double>(end - first);
    }
    const double expected = static_cast<double>(threshold) * 0x1p-32 * units * steps;
    CHECK(std::fabs(taken - expected) < 4 * std::sqrt(expected));
  }
}

void refuses_what_is_out_of_bounds() {
  Ints out(4);
  const Drawing how{key, 1, go_on};
  for (double sigma : {0.5, -1.0, 0x1.0p28, std::nan("")})
    CHECK(test::invalid(draw_discrete_gaussian(how, sigma, out), "sigma is"));
  CHECK(test::invalid(draw_poisson_batches(how, -1, 1, 2, out), "units is -1"));
  CHECK(test::invalid(draw_poisson_batches(how, std::int64_t{1} << 31, 1, 2, out), "units is 2147483648"));
  CHECK(test::invalid(draw_poisson_batches(how, 1, -1, 2, out), "threshold is -1"));
  CHECK(test::invalid(draw_poisson_batches(how, 1, (std::int64_t{1} << 32) + 1, 2, out), "threshold"));
}

void stops_when_cancelled() {
  const std::atomic<bool> cancel{true};
  Ints out(4);
  CHECK(test::fails_with(draw_discrete_gaussian({key, 2, cancel}, 5, out), Code::cancelled, ""));
}

}  // namespace

int main() {
  takes_what_a_slow_walk_takes();
  does_not_depend_on_threads();
  begins_alike_and_never_repeats();
  takes_none_all_or_the_first();
  takes_ascending_units_as_often_as_told();
  refuses_what_is_out_of_bounds();
  stops_when_cancelled();
  return test::result();
}
