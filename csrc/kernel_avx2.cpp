// The kernels in 32 bytes; compiled with AVX2 and called only where the processor has it.
#include <immintrin.h>

#include "kernel_body.hpp"

namespace jaxsynth {
namespace {

struct Avx2 {
  using Bytes = __m256i;
  using Floats = __m256;
  static constexpr std::size_t byte_lanes = 32;
  static constexpr std::size_t float_lanes = 8;

  static Bytes splat(std::uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static Floats splat(float x) { return _mm256_set1_ps(x); }
  static Bytes load(const std::uint8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static Floats load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(std::uint8_t* p, Bytes x) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), x); }
  static void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
  static Bytes add_mismatch(Bytes sum, Bytes cells, Bytes query, Bytes units) {
    return _mm256_adds_epu8(sum, _mm256_andnot_si256(_mm256_cmpeq_epi8(cells, query), units));
  }
  static Bytes least(Bytes a, Bytes b) { return _mm256_min_epu8(a, b); }
  static std::uint64_t at_most(Bytes x, Bytes most) {
    const __m256i same = _mm256_cmpeq_epi8(_mm256_max_epu8(x, most), most);
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(same));
  }
  // The maximum is its second operand where the first is NaN.
  static Floats add_gap(Floats sum, Floats cells, Floats query, Floats weight) {
    const __m256 gap = _mm256_andnot_ps(_mm256_set1_ps(-0.0F), _mm256_sub_ps(cells, query));
    return _mm256_add_ps(sum, _mm256_max_ps(_mm256_mul_ps(gap, weight), _mm256_setzero_ps()));
  }
  static Floats widen(const std::uint8_t* p, float unit) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), _mm256_set1_ps(unit));
  }
  static std::uint32_t at_most(Floats x, Floats most) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(x, most, _CMP_LE_OQ)));
  }
  static Floats add_outside(Floats sum, Floats low, Floats high, Floats cap, Floats query, Floats weight) {
    const __m256 far = _mm256_max_ps(_mm256_sub_ps(low, query), _mm256_sub_ps(query, high));
    const __m256 cost = _mm256_max_ps(_mm256_mul_ps(far, weight), _mm256_setzero_ps());
    return _mm256_add_ps(sum, _mm256_min_ps(cost, cap));
  }
  static Floats add_missing(Floats sum, const std::uint32_t* codes, const std::uint32_t* bits, const float* costs) {
    const __m256i shared = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)),
                                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bits)));
    const __m256 none = _mm256_castsi256_ps(_mm256_cmpeq_epi32(shared, _mm256_setzero_si256()));
    return _mm256_add_ps(sum, _mm256_and_ps(none, _mm256_loadu_ps(costs)));
  }
  static float total(Floats x) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }
};

}  // namespace

extern const Kernels avx2_kernels;
const Kernels avx2_kernels = KernelBody<Avx2>::table("avx2");

}  // namespace jaxsynth
