// The discrete Gaussian over the integers, P(x) proportional to exp(-x^2 / (2 sigma^2)) (Canonne, Kamath and Steinke
// 2020), drawn by rejection with exact comparisons. Nothing about where random words come from may live here.
//
// With s = sigma / 2^m, m such that 32 <= s < 64 (m = 0 for smaller sigma), and |x| = k 2^m + j, 0 <= j < 2^m:
//
//     x^2 / (2 sigma^2) = c k^2 + t,   c = 1 / (2 s^2),   t = c (2 k J + J^2),   J = j / 2^m.
//
// k >= 0 is drawn in proportion to exp(-c k^2) from a table, j and the sign are uniform, (k, j) is kept with
// probability exp(-t), and -0 is drawn again: without that 0 would come up twice as often as it should.
// This is Karney's scheme (2016, "Sampling exactly from the normal distribution"), with a table for k.
//
// Exactness. A uniform real number U is known by its leading bits, and more of them are drawn only where those do not
// decide a comparison, so that a comparison with a bound is right to the last of its 192 bits. What is left:
// 1. c is rounded to a double. The distribution is that of a sigma off by a factor within 1 +- 2^-52.
// 2. Magnitudes from k = 13 s on are never drawn. Their probability is below 2^-121.
// 3. Bounds of the table are off by less than 2^-160, and exp(-t) by less than 2^-180.
// So draws lie within 2^-120 in total variation of a discrete Gaussian whose parameter is sigma to 2^-52.
//
// Time differs from draw to draw, by rejections. Arrays are drawn as a whole, so that no single draw can be timed.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fraction.hpp"

namespace jaxsynth {

class DiscreteGaussian {
 public:
  static constexpr double least = 1, most = 1 << 27;

  // least <= sigma <= most, for which all values fit 32 bits.
  explicit DiscreteGaussian(double sigma);

  // `bits.next64()` gives 64 independent fair bits. One word a draw serves nearly all: 22 bits for j, 1 for the sign,
  // 9 that begin the uniform for keeping (k, j), 32 that begin the one for k.
  template <class Bits>
  std::int32_t draw(Bits& bits) const {
    for (;;) {
      const std::uint64_t word = bits.next64();
      const std::size_t k = find(static_cast<std::uint32_t>(word >> 32), bits);
      if (k == size_) [[unlikely]] continue;
      const std::uint32_t j = static_cast<std::uint32_t>(word) & mask_;
      if (!keep(k, j, static_cast<std::uint32_t>(word >> 23) & 511U, bits)) continue;
      const auto magnitude = static_cast<std::int32_t>(static_cast<std::uint32_t>(k) << shift_ | j);
      // As a mask: a branch would be guessed wrong half of the time.
      const std::int32_t minus = -static_cast<std::int32_t>(word >> 22 & 1);
      if (magnitude == 0 && minus != 0) continue;
      return (magnitude ^ minus) - minus;
    }
  }

  // P(k' <= k) for each k of the table, before rejection; for tests.
  const std::vector<Fraction>& bounds() const noexcept { return bounds_; }

 private:
  static constexpr std::size_t guide_bits = 12;

  void make_bounds();
  void make_guide();

  // The first k whose bound is above the uniform that begins with `first`; size_ if there is none.
  template <class Bits>
  std::size_t find(std::uint32_t first, Bits& bits) const {
    std::size_t k = guide_[first >> (32 - guide_bits)];
    while (first > first_limbs_[k]) ++k;
    if (first == first_limbs_[k]) [[unlikely]] {
      const Fraction uniform = extend(first, bits);
      while (k < size_ && !(uniform < bounds_[k])) ++k;
    }
    return k;
  }

  // True with probability exp(-t); `first` are the 9 leading bits of the uniform to go by.
  template <class Bits>
  bool keep(std::size_t k, std::uint32_t j, std::uint32_t first, Bits& bits) const {
    const auto cross = static_cast<std::int64_t>(j * ((std::uint64_t{k} << (shift_ + 1)) + j));
    const double t = rate_ * static_cast<double>(cross);
    // U < (first + 1) / 512 <= 1 - t <= exp(-t), of which the left side is exact. t is rounded by less than 2^-51 t.
    // For t >= 2^-9 that is less than the gap between 1 - t and exp(-t); a smaller t is compared with 0 or with at
    // least 2^-9, and rounded to 0 only if it is 0.
    if (t <= (511 - static_cast<std::int32_t>(first)) * 0x1p-9) [[likely]] return true;
    const std::uint64_t word = bits.next64();
    const double uniform = static_cast<double>(std::uint64_t{first} << 55 | word >> 9) * 0x1p-64;
    const double chance = std::exp(-t);
    // Both are right to 2^-50, so that a difference of 2^-44 decides.
    if (std::fabs(uniform - chance) > 0x1p-44) [[likely]] return uniform < chance;
    const std::uint32_t leading = first << 23 | static_cast<std::uint32_t>(word >> 41);
    return keep_exactly(k, j, leading, static_cast<std::uint32_t>(word >> 9), bits);
  }

  // The same, for a uniform of which the first 64 bits are known and do not decide.
  template <class Bits>
  bool keep_exactly(std::size_t k, std::uint32_t j, std::uint32_t first, std::uint32_t second, Bits& bits) const {
    Fraction uniform = extend(first, bits);
    uniform[1] = second;
    return uniform < exp_minus(exponent(k, j));
  }

  template <class Bits>
  static Fraction extend(std::uint32_t first, Bits& bits) {
    Fraction uniform{first};
    for (std::size_t i = 1; i < uniform.size(); ++i) uniform[i] = static_cast<std::uint32_t>(bits.next64());
    return uniform;
  }

  // t < 1 for all k of the table: t < c (26 s + 1) = 13 / s + 1 / (2 s^2), and s >= 32 where j is not 0.
  Fraction exponent(std::size_t k, std::uint32_t j) const;

  double c_ = 0;
  double rate_ = 0;  // c / 4^m
  std::uint32_t shift_ = 0;
  std::uint32_t mask_ = 0;
  std::size_t size_ = 0;
  std::vector<Fraction> bounds_;
  std::vector<std::uint32_t> first_limbs_;  // of the bounds, and one that stops every search
  std::array<std::uint16_t, 1U << guide_bits> guide_{};
};

}  // namespace jaxsynth
