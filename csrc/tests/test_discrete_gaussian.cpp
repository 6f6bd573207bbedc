// The discrete Gaussian: its arithmetic, its table, and what it does where leading bits do not decide. Those cases come
// up once in 2^30 draws and less, so words are given by hand. That frequencies are right is tested from Python.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "chacha.hpp"
#include "discrete_gaussian.hpp"
#include "harness.hpp"

using namespace jaxsynth;

namespace {

// Gives the words of a list, and counts how many were taken.
struct Script {
  std::vector<std::uint64_t> words;
  std::size_t taken = 0;

  std::uint64_t next64() { return taken < words.size() ? words[taken++] : 0; }
};

long double value(const Fraction& x) {
  long double sum = 0;
  for (std::size_t i = x.size(); i-- > 0;) sum = (sum + static_cast<long double>(x[i])) / 0x1p32L;
  return sum;
}

bool within(const Fraction& a, const Fraction& b, std::uint32_t units) {
  Fraction slack{};
  slack.back() = units;
  return !(add(a, slack) < b) && !(add(b, slack) < a);
}

void computes_to_192_bits() {
  const Fraction third = divide(all_ones(), 3);
  CHECK(third == (Fraction{0x55555555, 0x55555555, 0x55555555, 0x55555555, 0x55555555, 0x55555555}));
  CHECK(add(third, add(third, third)) == all_ones());
  CHECK(within(multiply(third, third), divide(third, 3), 2));
  CHECK(fraction_of(0.75) == (Fraction{0xC0000000}));
  CHECK(fraction_of(0x1.8p-33) == (Fraction{0, 0xC0000000}));
  // From another program, in decimal arithmetic of 90 digits.
  CHECK(within(exp_minus(fraction_of(0.5)),
               Fraction{0x9B4597E3, 0x7CB04FF3, 0xD675A355, 0x30CDD767, 0xE347BF8A, 0xD0E80ABB}, 6));
  CHECK(within(exp_minus(fraction_of(63.0 / 64)),
               Fraction{0x5FA90397, 0x5B63E9BB, 0xEA189925, 0xBAC0F8DD, 0xC45BA77F, 0xDE5644DC}, 6));
  CHECK(exp_minus(Fraction{}) == all_ones());
}

void tabulates_the_weights() {
  for (double sigma : {1.0, 3.7, 40.0, 5e5, 0x1p27}) {
    const DiscreteGaussian gaussian(sigma);
    const std::vector<Fraction>& bounds = gaussian.bounds();
    long double s = sigma;
    while (s >= 64) s /= 2;
    long double total = 0;
    for (std::size_t k = 0; k < bounds.size(); ++k)
      total += std::exp(-static_cast<long double>(k * k) / (2 * s * s));
    CHECK(static_cast<long double>(bounds.size()) >= 13 * s);
    CHECK(std::fabs(value(bounds.back()) - 1) < 0x1p-39L && bounds.back() < all_ones());
    long double sum = 0, worst = 0;
    for (std::size_t k = 0; k < bounds.size(); ++k) {
      sum += std::exp(-static_cast<long double>(k * k) / (2 * s * s)) / total;
      worst = std::max(worst, std::fabs(value(bounds[k]) / value(bounds.back()) - sum));
    }
    CHECK(worst < 1e-16L);
  }
}

// A word that draws j and a sign, with the given beginnings of the two uniforms.
std::uint64_t word_of(std::uint32_t j, bool minus, std::uint32_t keep, std::uint32_t find) {
  return j | std::uint64_t{minus} << 22 | std::uint64_t{keep} << 23 | std::uint64_t{find} << 32;
}

// Words that go on with a uniform equal to `bound` after its first limb.
std::vector<std::uint64_t> rest_of(const Fraction& bound) { return {bound.begin() + 1, bound.end()}; }

void settles_ties_with_the_table() {
  const DiscreteGaussian gaussian(4.0);
  for (std::size_t k : {std::size_t{1}, std::size_t{3}, std::size_t{20}}) {
    const Fraction bound = gaussian.bounds()[k];
    Script at{rest_of(bound)};
    at.words.insert(at.words.begin(), word_of(0, false, 0, bound[0]));
    Script below = at;
    --below.words.back();
    CHECK(gaussian.draw(at) == static_cast<std::int32_t>(k + 1) && at.taken == 6);
    CHECK(gaussian.draw(below) == static_cast<std::int32_t>(k) && below.taken == 6);
  }
}

void finds_what_lies_between_bounds() {
  const DiscreteGaussian gaussian(4.0);
  for (std::size_t k = 1; gaussian.bounds()[k][0] < 0xFFFFFFF0U; ++k) {
    Script low{{word_of(0, false, 0, gaussian.bounds()[k - 1][0] + 1)}};
    Script high{{word_of(0, true, 0, gaussian.bounds()[k][0] - 1)}};
    CHECK(gaussian.draw(low) == static_cast<std::int32_t>(k));
    CHECK(gaussian.draw(high) == -static_cast<std::int32_t>(k));
  }
}

void draws_again_beyond_the_table_and_for_minus_zero() {
  const DiscreteGaussian gaussian(4.0);
  const std::uint32_t one = gaussian.bounds()[1][0] - 1;
  const std::uint64_t most = 0xFFFFFFFF;
  Script beyond{{word_of(0, false, 0, 0xFFFFFFFF), most, most, most, most, most, word_of(0, true, 0, one)}};
  CHECK(gaussian.draw(beyond) == -1 && beyond.taken == 7);
  Script zero{{word_of(0, true, 0, 0), word_of(0, true, 0, 0), word_of(0, false, 0, 0)}};
  CHECK(gaussian.draw(zero) == 0 && zero.taken == 3);
}

// sigma = 64: s = 32, c = 2^-11, and k = 3, j = 1 give t = 2^-11 (2 * 3 / 2 + 1 / 4). `by` is added to the last limb of
// a uniform that is otherwise the chance itself.
Script almost_the_chance(const DiscreteGaussian& gaussian, std::int32_t by) {
  const Fraction chance = exp_minus(fraction_of(3.25 * 0x1p-11));
  const std::uint64_t leading = std::uint64_t{chance[0]} << 32 | chance[1];
  const std::uint32_t three = gaussian.bounds()[3][0] - 1;
  Script script{{word_of(1, false, static_cast<std::uint32_t>(leading >> 55), three), leading << 9, 0}};
  for (std::size_t i = 2; i < chance.size(); ++i) script.words.push_back(chance[i]);
  script.words.back() += static_cast<std::uint32_t>(by);
  script.words.push_back(word_of(0, false, 0, 0));
  return script;
}

void keeps_exactly() {
  const DiscreteGaussian gaussian(64.0);
  for (std::int32_t by : {-8, 8}) {
    Script script = almost_the_chance(gaussian, by);
    CHECK(gaussian.draw(script) == (by < 0 ? 7 : 0));
    CHECK(script.taken == (by < 0 ? 7U : 8U));
  }
  const std::uint32_t three = gaussian.bounds()[3][0] - 1;
  // t is .0016: 511 / 512 is below 1 - t, and 1 is not.
  Script at_once{{word_of(1, false, 510, three)}};
  CHECK(gaussian.draw(at_once) == 7 && at_once.taken == 1);
  Script kept{{word_of(1, false, 511, three), 0}};
  CHECK(gaussian.draw(kept) == 7 && kept.taken == 2);
  Script dropped{{word_of(1, false, 511, three), ~std::uint64_t{0}, word_of(0, false, 0, 0)}};
  CHECK(gaussian.draw(dropped) == 0 && dropped.taken == 3);
}

void stays_inside_32_bits() {
  const DiscreteGaussian gaussian(DiscreteGaussian::most);
  const std::size_t last = gaussian.bounds().size() - 1;
  Script script{rest_of(gaussian.bounds()[last])};
  script.words.insert(script.words.begin(), word_of(0x3FFFFF, true, 0, gaussian.bounds()[last][0]));
  --script.words.back();
  CHECK(gaussian.draw(script) == -static_cast<std::int32_t>(13.0 * DiscreteGaussian::most - 1));
}

void has_its_variance() {
  ChaCha bits(Key{}, 0);
  const DiscreteGaussian gaussian(1e6);
  double sum = 0, squares = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = gaussian.draw(bits) / 1e6;
    sum += x;
    squares += x * x;
  }
  CHECK(std::fabs(sum / std::sqrt(n)) < 4);
  CHECK(std::fabs((squares / n - 1) * std::sqrt(n / 2.0)) < 4);
}

}  // namespace

int main() {
  computes_to_192_bits();
  tabulates_the_weights();
  finds_what_lies_between_bounds();
  settles_ties_with_the_table();
  draws_again_beyond_the_table_and_for_minus_zero();
  keeps_exactly();
  stays_inside_32_bits();
  has_its_variance();
  return test::result();
}
