// The kernels in 16 bytes, for 64-bit ARM, where every processor has them.
#include <arm_neon.h>

#include "kernel_body.hpp"

namespace jaxsynth {
namespace {

struct Neon {
  using Bytes = uint8x16_t;
  using Floats = float32x4_t;
  static constexpr std::size_t byte_lanes = 16;
  static constexpr std::size_t float_lanes = 4;

  static Bytes splat(std::uint8_t x) { return vdupq_n_u8(x); }
  static Floats splat(float x) { return vdupq_n_f32(x); }
  static Bytes load(const std::uint8_t* p) { return vld1q_u8(p); }
  static Floats load(const float* p) { return vld1q_f32(p); }
  static void store(std::uint8_t* p, Bytes x) { vst1q_u8(p, x); }
  static void store(float* p, Floats x) { vst1q_f32(p, x); }
  static Bytes add_mismatch(Bytes sum, Bytes cells, Bytes query, Bytes units) {
    return vqaddq_u8(sum, vbicq_u8(units, vceqq_u8(cells, query)));
  }
  static Bytes least(Bytes a, Bytes b) { return vminq_u8(a, b); }
  static std::uint64_t at_most(Bytes x, Bytes most) {
    static const std::uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t found = vandq_u8(vcleq_u8(x, most), vld1q_u8(places));
    return std::uint64_t{vaddv_u8(vget_low_u8(found))} | std::uint64_t{vaddv_u8(vget_high_u8(found))} << 8;
  }
  // The "number" forms of maximum and minimum take the other operand where one is NaN.
  static Floats add_gap(Floats sum, Floats cells, Floats query, Floats weight) {
    return vaddq_f32(sum, vmaxnmq_f32(vmulq_f32(vabdq_f32(cells, query), weight), vdupq_n_f32(0.0F)));
  }
  static Floats widen(const std::uint8_t* p, float unit) {
    const float floats[4] = {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
                             static_cast<float>(p[3])};
    return vmulq_n_f32(vld1q_f32(floats), unit);
  }
  static std::uint32_t at_most(Floats x, Floats most) {
    static const std::uint32_t places[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcleq_f32(x, most), vld1q_u32(places)));
  }
  static Floats add_outside(Floats sum, Floats low, Floats high, Floats cap, Floats query, Floats weight) {
    const float32x4_t far = vmaxnmq_f32(vsubq_f32(low, query), vsubq_f32(query, high));
    const float32x4_t cost = vmaxnmq_f32(vmulq_f32(far, weight), vdupq_n_f32(0.0F));
    return vaddq_f32(sum, vminq_f32(cost, cap));
  }
  static Floats add_missing(Floats sum, const std::uint32_t* codes, const std::uint32_t* bits, const float* costs) {
    const uint32x4_t shared = vtstq_u32(vld1q_u32(codes), vld1q_u32(bits));
    return vaddq_f32(sum, vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(vld1q_f32(costs)), shared)));
  }
  static float total(Floats x) { return vaddvq_f32(x); }
};

}  // namespace

extern const Kernels neon_kernels;
const Kernels neon_kernels = KernelBody<Neon>::table("neon");

}  // namespace jaxsynth
