// The walk in blocks of rows that stay in cache, with rows in the lanes of vectors: every product is a small
// matrix product. One template, compiled for each vector width that the processor may have.
#include "walk.hpp"

#if JAXSYNTH_HAS_WALK

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#define JAXSYNTH_INLINE inline __attribute__((always_inline))

namespace jaxsynth {
namespace {

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

struct Scratch {
  explicit Scratch(const Walk& walk) {
    std::size_t hidden = 1, rank = 1, width = 1, copies = 1;
    for (const WalkColumn& c : walk.columns) {
      copies = std::max(copies, c.copies);
      hidden = std::max(hidden, c.hidden);
      rank = std::max(rank, c.rank);
      width = std::max(width, c.width);
    }
    const std::size_t sizes[] = {walk.features + 1, hidden, rank, width, copies, 1, 1, 1, 1};
    std::size_t total = 0;
    for (const std::size_t size : sizes) total += size * block;
    memory.reset(new (std::align_val_t{64}) float[total]);
    float* next = memory.get();
    float** parts[] = {&features, &units, &inner, &logits, &gates, &uniforms, &tilt, &total_mass, &mass};
    for (std::size_t i = 0; i < 9; ++i) {
      *parts[i] = next;
      next += sizes[i] * block;
    }
    std::fill(memory.get(), next, 0.0F);
  }

  struct Free {
    void operator()(float* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<float[], Free> memory;
  float *features = nullptr, *units = nullptr, *inner = nullptr, *logits = nullptr, *gates = nullptr;
  float *uniforms = nullptr, *tilt = nullptr, *total_mass = nullptr, *mass = nullptr;
  alignas(64) std::int32_t codes[block] = {};
};

// Log of the sum of exponentials of each row's logits, with `extra` added to every row's, which may be null.
template <class V>
JAXSYNTH_INLINE void log_sum(const float* logits, const float* extra, std::size_t width, float* out) {
  for (std::size_t r = 0; r < block; r += lanes<V>) {
    V most = V{} - 4e9F, sum = V{};
    for (std::size_t c = 0; c < width; ++c) {
      const V x = at<V>(logits + c * block + r) + (extra == nullptr ? 0.0F : extra[c]);
      most = x > most ? x : most;
    }
    for (std::size_t c = 0; c < width; ++c) {
      V x = at<V>(logits + c * block + r) + (extra == nullptr ? 0.0F : extra[c]) - most;
      exponential(x);
      sum += x;
    }
    for (std::size_t l = 0; l < lanes<V>; ++l) out[r + l] = most[l] + std::log(sum[l]);
  }
}

// One code a row by inversion; leaves the weights of the codes where the logits were.
template <class V>
JAXSYNTH_INLINE void pick(float* logits, const float* allowed, std::size_t width, const float* uniforms,
                          std::int32_t* codes) {
  using I = typename IntsOf<V>::type;
  for (std::size_t r = 0; r < block; r += lanes<V>) {
    V most = V{} - 4e9F, sum = V{};
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
    const V target = at<V>(uniforms + r) * (1.0F - 1e-6F) * sum;
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

JAXSYNTH_INLINE void enter(const WalkColumn& c, const std::int32_t* codes, const bool* which, std::size_t rows,
                           float* features) {
  for (std::size_t r = 0; r < rows; ++r) {
    if (which != nullptr && !which[r]) continue;
    const float* own = c.inputs + static_cast<std::size_t>(codes[r]) * c.embedding;
    for (std::size_t e = 0; e < c.embedding; ++e) features[(c.feature + e) * block + r] = own[e];
  }
}

// Raises the logits of the values of the copied columns, where these are known or came before.
template <class V>
JAXSYNTH_INLINE void raise(const Walk& walk, std::size_t j, std::size_t first, std::size_t rows, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  multiply<V, Then::keep>(c.gates, c.copies, c.hidden, c.gate_bias, s.units, c.hidden, s.gates);
  for (std::size_t k = 0; k < c.copies; ++k) {
    const auto source = static_cast<std::size_t>(c.sources[k]);
    const std::size_t cells = source * walk.rows + first;
    const bool* known = walk.known == nullptr ? nullptr : walk.known + cells;
    const bool before = source < j && !walk.columns[source].skip;
    const std::int32_t* copied = c.copied + k * c.copied_codes;
    for (std::size_t r = 0; r < rows; ++r) {
      const bool given = known != nullptr && known[r];
      if (!given && !before) continue;
      const std::int32_t code = copied[given ? walk.codes[cells + r] : walk.drawn[cells + r]];
      if (code >= 0) s.logits[static_cast<std::size_t>(code) * block + r] += s.gates[k * block + r];
    }
  }
}

template <class V>
JAXSYNTH_INLINE void visit(const Walk& walk, std::size_t j, std::size_t first, std::size_t rows, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  const std::size_t cells = j * walk.rows + first;
  const bool* known = walk.known == nullptr ? nullptr : walk.known + cells;
  // Without known cells no later column can be seen.
  const std::size_t seen = known == nullptr ? c.feature : walk.features;
  multiply<V, Then::relu>(c.context, c.hidden, walk.features, c.bias, s.features, seen, s.units);
  multiply<V, Then::relu>(c.down, c.rank, c.hidden, c.down_bias, s.units, c.hidden, s.inner);
  multiply<V, Then::add>(c.up, c.hidden, c.rank, nullptr, s.inner, c.rank, s.units);
  multiply<V, Then::keep>(c.head, c.width, c.hidden, c.head_bias, s.units, c.hidden, s.logits);
  if (c.copies != 0) raise<V>(walk, j, first, rows, s);
  if (c.tilt != nullptr) {
    multiply<V, Then::keep>(c.tilt, 1, c.hidden, nullptr, s.units, c.hidden, s.tilt);
    std::copy(s.tilt, s.tilt + rows, walk.tilts + cells);
  }
  if (walk.weigh && c.allowed != nullptr) {
    log_sum<V>(s.logits, nullptr, c.width, s.total_mass);
    log_sum<V>(s.logits, c.allowed, c.width, s.mass);
    for (std::size_t r = 0; r < rows; ++r)
      if (known == nullptr || !known[r]) walk.log_mass[first + r] += s.mass[r] - s.total_mass[r];
  }
  std::copy(walk.uniforms + cells, walk.uniforms + cells + rows, s.uniforms);
  pick<V>(s.logits, c.allowed, c.width, s.uniforms, s.codes);
  if (known != nullptr)
    for (std::size_t r = 0; r < rows; ++r)
      if (known[r]) s.codes[r] = walk.codes[cells + r];
  enter(c, s.codes, nullptr, rows, s.features);
  std::copy(s.codes, s.codes + rows, walk.drawn + cells);
}

template <class V>
JAXSYNTH_INLINE void draw(const Walk& walk) {
  Scratch scratch(walk);
  std::fill(walk.log_mass, walk.log_mass + walk.rows, 0.0F);
  std::fill(walk.tilts, walk.tilts + walk.columns.size() * walk.rows, 0.0F);
  for (std::size_t first = 0; first < walk.rows; first += block) {
    const std::size_t rows = std::min(block, walk.rows - first);
    if (walk.known != nullptr) {
      std::fill(scratch.features, scratch.features + walk.features * block, 0.0F);
      for (std::size_t j = 0; j < walk.columns.size(); ++j) {
        const std::size_t cells = j * walk.rows + first;
        enter(walk.columns[j], walk.codes + cells, walk.known + cells, rows, scratch.features);
      }
    }
    for (std::size_t j = 0; j < walk.columns.size(); ++j) {
      const std::size_t cells = j * walk.rows + first;
      if (!walk.columns[j].skip)
        visit<V>(walk, j, first, rows, scratch);
      else if (walk.codes != nullptr)
        std::copy(walk.codes + cells, walk.codes + cells + rows, walk.drawn + cells);
      else
        std::fill(walk.drawn + cells, walk.drawn + cells + rows, 0);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))) void draw_wide(const Walk& walk) {
  draw<Floats16>(walk);
}
__attribute__((target("avx2,fma"))) void draw_medium(const Walk& walk) { draw<Floats8>(walk); }
#endif
void draw_narrow(const Walk& walk) { draw<Floats4>(walk); }

}  // namespace

namespace {

void draw_on_this_processor(const Walk& walk) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
    return draw_wide(walk);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return draw_medium(walk);
#endif
  draw_narrow(walk);
}

}  // namespace

Status draw_walk(const Walk& walk) noexcept {
  try {
    draw_on_this_processor(walk);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  return {};
}

}  // namespace jaxsynth

#endif
