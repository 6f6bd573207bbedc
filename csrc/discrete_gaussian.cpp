// The table of a discrete Gaussian.
#include "discrete_gaussian.hpp"

namespace jaxsynth {

DiscreteGaussian::DiscreteGaussian(double sigma) {
  double s = sigma;
  for (; s >= 64; s /= 2) ++shift_;
  mask_ = (1U << shift_) - 1;
  c_ = 1 / (2 * s * s);
  rate_ = std::ldexp(c_, -2 * static_cast<int>(shift_));
  size_ = static_cast<std::size_t>(std::ceil(13 * s));
  make_bounds();
  make_guide();
}

void DiscreteGaussian::make_bounds() {
  double total = 0;
  for (std::size_t k = 0; k < size_; ++k) total += std::exp(-c_ * static_cast<double>(k * k));
  // Divided by a little more than their sum, so that the bounds stay below 1. Where a uniform is above them all
  // the draw is repeated, so that the divisor changes nothing.
  Fraction weight = fraction_of((1 - 0x1p-40) / total), sum = weight;
  // exp(-c (k + 1)^2) = exp(-c k^2) exp(-c (2 k + 1)).
  Fraction step = exp_minus(fraction_of(c_));
  const Fraction square = multiply(step, step);
  bounds_.push_back(sum);
  while (bounds_.size() < size_) {
    weight = multiply(weight, step);
    step = multiply(step, square);
    sum = add(sum, weight);
    bounds_.push_back(sum);
  }
}

void DiscreteGaussian::make_guide() {
  for (const Fraction& bound : bounds_) first_limbs_.push_back(bound[0]);
  first_limbs_.push_back(0xFFFFFFFFU);
  std::size_t k = 0;
  for (std::size_t i = 0; i < guide_.size(); ++i) {
    while (first_limbs_[k] < i << (32 - guide_bits)) ++k;
    guide_[i] = static_cast<std::uint16_t>(k);
  }
}

Fraction DiscreteGaussian::exponent(std::size_t k, std::uint32_t j) const {
  const Fraction fraction = fraction_of(std::ldexp(static_cast<double>(j), -static_cast<int>(shift_)));
  const Fraction slope = multiply(fraction_of(c_), fraction);
  Fraction t = multiply(slope, fraction);
  for (std::size_t i = 0; i < 2 * k; ++i) t = add(t, slope);
  return t;
}

}  // namespace jaxsynth
