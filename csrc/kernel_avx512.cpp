// The kernels in 64 bytes; compiled with AVX-512 BW and called only where the processor has it.
#include <immintrin.h>

#include "kernel_body.hpp"

namespace jaxsynth {
namespace {

struct Avx512 {
  using Bytes = __m512i;
  using Floats = __m512;
  static constexpr std::size_t byte_lanes = 64;
  static constexpr std::size_t float_lanes = 16;

  static Bytes splat(std::uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static Floats splat(float x) { return _mm512_set1_ps(x); }
  static Bytes load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static Floats load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(std::uint8_t* p, Bytes x) { _mm512_storeu_si512(p, x); }
  static void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
  static Bytes add_mismatch(Bytes sum, Bytes cells, Bytes query, Bytes units) {
    return _mm512_mask_adds_epu8(sum, _mm512_cmpneq_epi8_mask(cells, query), sum, units);
  }
  static Bytes least(Bytes a, Bytes b) { return _mm512_min_epu8(a, b); }
  static std::uint64_t at_most(Bytes x, Bytes most) { return _mm512_cmple_epu8_mask(x, most); }
  // The maximum is its second operand where the first is NaN.
  static Floats add_gap(Floats sum, Floats cells, Floats query, Floats weight) {
    const __m512 gap = _mm512_abs_ps(_mm512_sub_ps(cells, query));
    return _mm512_add_ps(sum, _mm512_max_ps(_mm512_mul_ps(gap, weight), _mm512_setzero_ps()));
  }
  static Floats widen(const std::uint8_t* p, float unit) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)), _mm512_set1_ps(unit));
  }
  static std::uint32_t at_most(Floats x, Floats most) { return _mm512_cmp_ps_mask(x, most, _CMP_LE_OQ); }
  static Floats add_outside(Floats sum, Floats low, Floats high, Floats cap, Floats query, Floats weight) {
    const __m512 far = _mm512_max_ps(_mm512_sub_ps(low, query), _mm512_sub_ps(query, high));
    const __m512 cost = _mm512_max_ps(_mm512_mul_ps(far, weight), _mm512_setzero_ps());
    return _mm512_add_ps(sum, _mm512_min_ps(cost, cap));
  }
  static Floats add_missing(Floats sum, const std::uint32_t* codes, const std::uint32_t* bits, const float* costs) {
    const __mmask16 none = _mm512_testn_epi32_mask(_mm512_loadu_si512(codes), _mm512_loadu_si512(bits));
    return _mm512_mask_add_ps(sum, none, sum, _mm512_loadu_ps(costs));
  }
  static float total(Floats x) { return _mm512_reduce_add_ps(x); }
};

}  // namespace

extern const Kernels avx512_kernels;
const Kernels avx512_kernels = KernelBody<Avx512>::table("avx512");

}  // namespace jaxsynth
