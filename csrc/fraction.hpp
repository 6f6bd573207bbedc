// Numbers in [0, 1) of 192 bits, for probabilities that must be right far beyond double. Plain and slow:
// for tables, and for draws so rare that their time does not count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace jaxsynth {

// Most significant limb first, so that the order of arrays is the order of the numbers.
using Fraction = std::array<std::uint32_t, 6>;

inline Fraction all_ones() {
  Fraction ones;
  ones.fill(0xFFFFFFFFU);
  return ones;
}

// Exact for 2^-139 <= x < 1, and for 0.
inline Fraction fraction_of(double x) {
  Fraction out{};
  for (std::uint32_t& limb : out) {
    x *= 0x1p32;
    limb = static_cast<std::uint32_t>(x);
    x -= limb;
  }
  return out;
}

// The sum must be less than 1.
inline Fraction add(const Fraction& a, const Fraction& b) {
  Fraction out;
  std::uint64_t carry = 0;
  for (std::size_t i = a.size(); i-- > 0; carry >>= 32) {
    carry += std::uint64_t{a[i]} + b[i];
    out[i] = static_cast<std::uint32_t>(carry);
  }
  return out;
}

// Rounded down, by less than 2^-192.
inline Fraction multiply(const Fraction& a, const Fraction& b) {
  constexpr std::size_t n = std::tuple_size_v<Fraction>;
  std::array<std::uint32_t, 2 * n> product{};
  for (std::size_t i = n; i-- > 0;) {
    std::uint64_t carry = 0;
    for (std::size_t j = n; j-- > 0; carry >>= 32) {
      carry += std::uint64_t{a[i]} * b[j] + product[i + j + 1];
      product[i + j + 1] = static_cast<std::uint32_t>(carry);
    }
    product[i] = static_cast<std::uint32_t>(carry);
  }
  Fraction out;
  for (std::size_t i = 0; i < n; ++i) out[i] = product[i];
  return out;
}

// Rounded down, by less than 2^-192.
inline Fraction divide(const Fraction& a, std::uint32_t divisor) {
  Fraction out;
  std::uint64_t rest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    rest = rest << 32 | a[i];
    out[i] = static_cast<std::uint32_t>(rest / divisor);
    rest %= divisor;
  }
  return out;
}

// exp(-t) to 2^-189, by 1 - t (1 - t/2 (1 - t/3 (...))). What is left after 48 terms is below 1/48! < 2^-202, and each
// bracket is off by at most three units: product and quotient round down, and 1 - y is taken as the complement of y,
// which is a unit less. The factor t/n, at most 1/n, keeps the errors of inner brackets from adding up.
inline Fraction exp_minus(const Fraction& t) {
  Fraction bracket = all_ones();
  for (std::uint32_t n = 48; n > 0; --n) {
    bracket = divide(multiply(t, bracket), n);
    for (std::uint32_t& limb : bracket) limb = ~limb;
  }
  return bracket;
}

}  // namespace jaxsynth
