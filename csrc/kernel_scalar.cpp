// Without vectors of ours: what every processor runs, and what the others are held against.
#include "kernel_body.hpp"

namespace jaxsynth {
namespace {

struct Scalar {
  static constexpr std::size_t byte_lanes = 16;
  static constexpr std::size_t float_lanes = 4;
  struct Bytes {
    std::uint8_t at[byte_lanes];
  };
  struct Floats {
    float at[float_lanes];
  };

  template <class Lane>
  static Bytes bytes(const Lane& lane) {
    Bytes out;
    for (std::size_t i = 0; i < byte_lanes; ++i) out.at[i] = static_cast<std::uint8_t>(lane(i));
    return out;
  }
  template <class Lane>
  static Floats floats(const Lane& lane) {
    Floats out;
    for (std::size_t i = 0; i < float_lanes; ++i) out.at[i] = lane(i);
    return out;
  }

  static Bytes splat(std::uint8_t x) {
    return bytes([x](std::size_t) { return x; });
  }
  static Floats splat(float x) {
    return floats([x](std::size_t) { return x; });
  }
  static Bytes load(const std::uint8_t* p) {
    return bytes([p](std::size_t i) { return p[i]; });
  }
  static Floats load(const float* p) {
    return floats([p](std::size_t i) { return p[i]; });
  }
  static void store(std::uint8_t* p, const Bytes& x) {
    for (std::size_t i = 0; i < byte_lanes; ++i) p[i] = x.at[i];
  }
  static void store(float* p, const Floats& x) {
    for (std::size_t i = 0; i < float_lanes; ++i) p[i] = x.at[i];
  }
  static Bytes add_mismatch(const Bytes& sum, const Bytes& cells, const Bytes& query, const Bytes& units) {
    return bytes([&](std::size_t i) {
      const unsigned more = sum.at[i] + (cells.at[i] != query.at[i] ? unsigned{units.at[i]} : 0U);
      return more < 255U ? more : 255U;
    });
  }
  static Bytes least(const Bytes& a, const Bytes& b) {
    return bytes([&](std::size_t i) { return a.at[i] < b.at[i] ? a.at[i] : b.at[i]; });
  }
  static std::uint64_t at_most(const Bytes& x, const Bytes& most) {
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < byte_lanes; ++i) found |= std::uint64_t{x.at[i] <= most.at[i]} << i;
    return found;
  }
  static Floats add_gap(const Floats& sum, const Floats& cells, const Floats& query, const Floats& weight) {
    return floats([&](std::size_t i) {
      const float gap = cells.at[i] - query.at[i], cost = (gap < 0 ? -gap : gap) * weight.at[i];
      return sum.at[i] + (cost > 0 ? cost : 0.0F);
    });
  }
  static Floats widen(const std::uint8_t* p, float unit) {
    return floats([=](std::size_t i) { return static_cast<float>(p[i]) * unit; });
  }
  static std::uint32_t at_most(const Floats& x, const Floats& most) {
    std::uint32_t found = 0;
    for (std::size_t i = 0; i < float_lanes; ++i) found |= std::uint32_t{x.at[i] <= most.at[i]} << i;
    return found;
  }
  static Floats add_outside(const Floats& sum, const Floats& low, const Floats& high, const Floats& cap,
                            const Floats& query, const Floats& weight) {
    return floats([&](std::size_t i) {
      const float below = low.at[i] - query.at[i], above = query.at[i] - high.at[i];
      const float far = (below > above ? below : above) * weight.at[i], cost = far > 0 ? far : 0.0F;
      return sum.at[i] + (cost < cap.at[i] ? cost : cap.at[i]);
    });
  }
  static Floats add_missing(const Floats& sum, const std::uint32_t* codes, const std::uint32_t* bits,
                            const float* costs) {
    return floats([&](std::size_t i) { return sum.at[i] + ((codes[i] & bits[i]) == 0 ? costs[i] : 0.0F); });
  }
  static float total(const Floats& x) { return (x.at[0] + x.at[1]) + (x.at[2] + x.at[3]); }
};

}  // namespace

extern const Kernels scalar_kernels;
const Kernels scalar_kernels = KernelBody<Scalar>::table("scalar");

}  // namespace jaxsynth
