// What one piece of each kind of array is.
#include "random_arrays.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "discrete_gaussian.hpp"
#include "pieces.hpp"

namespace jaxsynth {
namespace {

constexpr std::size_t values = 8192;  // of a piece, so that a thread starts a stream seldom and small arrays are shared

// A unit is in where its uniform 32-bit number is below the threshold. Its first 8 bits nearly always say; `edge` is
// the value for which they do not.
class Inclusion {
 public:
  explicit Inclusion(std::int64_t threshold)
      : edge_(static_cast<std::uint32_t>(threshold >> 24)), rest_(static_cast<std::uint32_t>(threshold & 0xFFFFFF)) {}

  template <class Bits>
  bool operator()(std::uint32_t first, Bits& bits) const {
    return first < edge_ || (first == edge_ && (bits.next64() & 0xFFFFFF) < rest_);
  }

  // Whether none of eight units can be in, by their first bits. Where many are in, it is not worth to ask.
  bool none(std::uint64_t firsts) const {
    constexpr std::uint64_t each = 0x0101010101010101;
    return edge_ < 128 && ((firsts - each * (edge_ + 1)) & ~firsts & each << 7) == 0;
  }

 private:
  std::uint32_t edge_, rest_;
};

template <class Bits>
void draw_batch(Bits& bits, const Inclusion& is_in, std::int32_t units, std::span<std::int32_t> batch) {
  std::size_t taken = 0;
  for (std::int64_t first = 0; first < units && taken < batch.size(); first += 8) {
    std::uint64_t word = bits.next64();
    if (is_in.none(word)) continue;
    const std::int64_t end = std::min<std::int64_t>(first + 8, units);
    for (std::int64_t unit = first; unit < end && taken < batch.size(); ++unit, word >>= 8)
      if (is_in(word & 0xFF, bits)) batch[taken++] = static_cast<std::int32_t>(unit);
  }
  std::fill(batch.begin() + static_cast<std::ptrdiff_t>(taken), batch.end(), units);
}

}  // namespace

Status draw_discrete_gaussian(const Drawing& how, double sigma, std::span<std::int32_t> out) {
  if (!(sigma >= DiscreteGaussian::least && sigma <= DiscreteGaussian::most))
    return invalid("sigma is " + std::to_string(sigma) + " steps; it lies between 1 and 2^27: choose another grid");
  const DiscreteGaussian gaussian(sigma);
  const auto draw = [&](ChaCha& bits, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) out[i] = gaussian.draw(bits);
  };
  return in_pieces(how.key, out.size(), values, how.threads, how.cancel, draw);
}

Status draw_poisson_batches(const Drawing& how, std::int64_t units, std::int64_t threshold, std::size_t size,
                            std::span<std::int32_t> out) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (units < 0 || units > most)
    return invalid("units is " + std::to_string(units) + "; it lies between 0 and 2^31 - 1");
  if (threshold < 0 || threshold > std::int64_t{1} << 32)
    return invalid("threshold is " + std::to_string(threshold) + "; it lies between 0 and 2^32, where all units are in");
  if (size == 0) return {};
  const Inclusion is_in(threshold);
  const auto draw = [&](ChaCha& bits, std::size_t step, std::size_t) {
    draw_batch(bits, is_in, static_cast<std::int32_t>(units), out.subspan(step * size, size));
  };
  return in_pieces(how.key, out.size() / size, 1, how.threads, how.cancel, draw);
}

Status draw_words(const Drawing& how, std::span<std::uint32_t> out) {
  const auto draw = [&](ChaCha& bits, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i += 2) {
      const std::uint64_t word = bits.next64();
      out[i] = static_cast<std::uint32_t>(word);
      if (i + 1 < end) out[i + 1] = static_cast<std::uint32_t>(word >> 32);
    }
  };
  return in_pieces(how.key, out.size(), values, how.threads, how.cancel, draw);
}

}  // namespace jaxsynth
