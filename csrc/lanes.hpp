// Arithmetic on blocks of rows that stay in cache, with rows in the lanes of vectors: every product is a small
// matrix product. Templates over the vector, compiled by who includes this for each width that a processor may have.
#pragma once

#include "error.hpp"
#include "has_vectors.hpp"

#if JAXSYNTH_HAS_VECTORS

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#define JAXSYNTH_INLINE inline __attribute__((always_inline))

namespace jaxsynth {

constexpr std::size_t block = 144;  // rows: a multiple of three vectors of any width
constexpr std::size_t tile = 4;     // rows of a matrix that are multiplied at once, by three vectors: twelve sums in registers

typedef float Floats4 __attribute__((vector_size(16)));
typedef float Floats8 __attribute__((vector_size(32)));
typedef float Floats16 __attribute__((vector_size(64)));
typedef std::int32_t Ints4 __attribute__((vector_size(16)));
typedef std::int32_t Ints8 __attribute__((vector_size(32)));
typedef std::int32_t Ints16 __attribute__((vector_size(64)));

template <class Floats>
struct IntsOf;
template <>
struct IntsOf<Floats4> {
  using type = Ints4;
};
template <>
struct IntsOf<Floats8> {
  using type = Ints8;
};
template <>
struct IntsOf<Floats16> {
  using type = Ints16;
};

template <class V>
constexpr std::size_t lanes = sizeof(V) / sizeof(float);

template <class V>
JAXSYNTH_INLINE V& at(float* p) {
  return *reinterpret_cast<V*>(p);
}

template <class V>
JAXSYNTH_INLINE const V& at(const float* p) {
  return *reinterpret_cast<const V*>(p);
}

enum class Then { keep, relu, add };

// out = a b + bias for `m` rows of a, of which the first `k` columns count; `vectors` vectors of rows at once.
template <class V, Then then, std::size_t m, std::size_t vectors>
JAXSYNTH_INLINE void multiply_tile(const float* a, std::size_t stride, const float* bias, const float* b,
                                   std::size_t k, float* out) {
  V sum[m][vectors];
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t v = 0; v < vectors; ++v) {
      if constexpr (then == Then::add) {
        sum[i][v] = at<V>(out + i * block + v * lanes<V>);
      } else {
        sum[i][v] = V{} + (bias == nullptr ? 0.0F : bias[i]);
      }
    }
  for (std::size_t j = 0; j < k; ++j) {
    V row[vectors];
    for (std::size_t v = 0; v < vectors; ++v) row[v] = at<V>(b + j * block + v * lanes<V>);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t v = 0; v < vectors; ++v) sum[i][v] += row[v] * a[i * stride + j];
  }
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t v = 0; v < vectors; ++v) {
      if constexpr (then == Then::relu) sum[i][v] = sum[i][v] > 0.0F ? sum[i][v] : V{};
      at<V>(out + i * block + v * lanes<V>) = sum[i][v];
    }
}

// out (rows, block) = then(a (rows, k of stride) b (k, block) + bias).
template <class V, Then then>
JAXSYNTH_INLINE void multiply(const float* a, std::size_t rows, std::size_t stride, const float* bias,
                              const float* b, std::size_t k, float* out) {
  constexpr std::size_t step = 3 * lanes<V>;
  // Rows of the table outermost: their part of b then stays in the nearest cache for all of a.
  for (std::size_t r = 0; r < block; r += step) {
    std::size_t i = 0;
    for (; i + tile <= rows; i += tile)
      multiply_tile<V, then, tile, 3>(a + i * stride, stride, bias == nullptr ? nullptr : bias + i, b + r, k,
                                      out + i * block + r);
    for (; i < rows; ++i)
      multiply_tile<V, then, 1, 3>(a + i * stride, stride, bias == nullptr ? nullptr : bias + i, b + r, k,
                                   out + i * block + r);
  }
}

// exp(x) for x <= 0 to two units in the last place, and 0 below -87. A polynomial on half a binade either side.
template <class V>
JAXSYNTH_INLINE void exponential(V& x) {
  using I = typename IntsOf<V>::type;
  constexpr float shift = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  const I keep = x > -87.0F;
  const V bounded = keep ? x : V{};
  const V shifted = bounded * 1.44269504F + shift;
  const V n = shifted - shift;
  const V r = (bounded - n * 0.693359375F) + n * 2.12194440e-4F;
  V p = V{} + 1.38888889e-3F;
  p = p * r + 8.33333333e-3F;
  p = p * r + 4.16666667e-2F;
  p = p * r + 1.66666667e-1F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  I bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3F800000;
  V scale;
  std::memcpy(&scale, &bits, sizeof scale);
  x = keep ? p * scale : V{};
}

// Logits to the weights of the codes, in place, for the vector of rows that begins at `r`, and their sum.
template <class V>
JAXSYNTH_INLINE void weigh_codes(float* logits, const float* allowed, std::size_t width, std::size_t r, V& sum) {
  V most = V{} - 4e9F;
  sum = V{};
  for (std::size_t c = 0; c < width; ++c) {
    V& x = at<V>(logits + c * block + r);
    if (allowed != nullptr) x += allowed[c];
    most = x > most ? x : most;
  }
  for (std::size_t c = 0; c < width; ++c) {
    V& x = at<V>(logits + c * block + r);
    V p = x - most;
    exponential(p);
    x = p;
    sum += p;
  }
}

constexpr float below_one = 1.0F - 1e-6F;  // of the sum of the weights, so that uniforms fall on no code beyond

// One code a row by inversion; leaves the weights of the codes where the logits were.
template <class V>
JAXSYNTH_INLINE void pick(float* logits, const float* allowed, std::size_t width, const float* uniforms,
                          std::int32_t* codes) {
  using I = typename IntsOf<V>::type;
  for (std::size_t r = 0; r < block; r += lanes<V>) {
    V sum;
    weigh_codes(logits, allowed, width, r, sum);
    const V target = at<V>(uniforms + r) * below_one * sum;
    V upto = V{};
    I index = I{};
    // In the order of the sum, so that the last prefix is the sum and a code of weight 0 is never reached.
    for (std::size_t c = 0; c < width; ++c) {
      upto += at<V>(logits + c * block + r);
      index -= upto <= target;
    }
    for (std::size_t l = 0; l < lanes<V>; ++l)
      codes[r + l] = std::min<std::int32_t>(index[l], static_cast<std::int32_t>(width) - 1);
  }
}

// As `pick` prepares it for many uniforms of each row: logits to the running sums of the weights, in place.
template <class V>
JAXSYNTH_INLINE void accumulate(float* logits, const float* allowed, std::size_t width) {
  for (std::size_t r = 0; r < block; r += lanes<V>) {
    V sum, upto = V{};
    weigh_codes(logits, allowed, width, r, sum);
    for (std::size_t c = 0; c < width; ++c) {
      upto += at<V>(logits + c * block + r);
      at<V>(logits + c * block + r) = upto;
    }
  }
}

// The code that `pick` finds, from one row's running sums, which lie `block` apart.
JAXSYNTH_INLINE std::int32_t pick_one(const float* sums, std::size_t width, float uniform) {
  const float target = uniform * below_one * sums[(width - 1) * block];
  std::size_t low = 0, high = width - 1;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (sums[middle * block] <= target)
      low = middle + 1;
    else
      high = middle;
  }
  return static_cast<std::int32_t>(low);
}

// A matrix (size, block), zero at first.
class BlockMatrix {
 public:
  explicit BlockMatrix(std::size_t size) : memory_(new (std::align_val_t{64}) float[size * block]) {
    std::fill(memory_.get(), memory_.get() + size * block, 0.0F);
  }
  float* data() const noexcept { return memory_.get(); }
  operator float*() const noexcept { return data(); }

 private:
  struct Free {
    void operator()(float* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<float[], Free> memory_;
};

#if defined(__x86_64__)
template <class Kernel, class Task>
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))) void run_wide(const Task& task) {
  Kernel::template run<Floats16>(task);
}

template <class Kernel, class Task>
__attribute__((target("avx2,fma"))) void run_medium(const Task& task) {
  Kernel::template run<Floats8>(task);
}

inline bool has_wide() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#endif

// Kernel::run<V>(task), which must be inlined, with the widest vectors that this processor has.
template <class Kernel, class Task>
Status run_here(const Task& task) noexcept {
  try {
#if defined(__x86_64__)
    if (has_wide()) {
      run_wide<Kernel>(task);
      return {};
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      run_medium<Kernel>(task);
      return {};
    }
#endif
    Kernel::template run<Floats4>(task);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  return {};
}

}  // namespace jaxsynth

#endif
