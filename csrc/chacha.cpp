// The block function, written once for eight blocks at a time and compiled for each vector width there may be.
#include "chacha.hpp"

#include <cstring>

#include "has_vectors.hpp"

#if JAXSYNTH_HAS_VECTORS
#define JAXSYNTH_INLINE inline __attribute__((always_inline))
#else
#define JAXSYNTH_INLINE inline
#endif

namespace jaxsynth {
namespace {

#if JAXSYNTH_HAS_VECTORS
// A processor without vectors of this width gets two or more of what it has.
typedef std::uint32_t Words __attribute__((vector_size(4 * block_lanes)));
#else
struct Words {
  std::uint32_t lane[block_lanes];

  std::uint32_t& operator[](std::size_t i) { return lane[i]; }
  template <class Act>
  Words each(const Act& act) const {
    Words out;
    for (std::size_t i = 0; i < block_lanes; ++i) out.lane[i] = act(lane[i], i);
    return out;
  }
  Words operator^(const Words& b) const { return each([&](std::uint32_t x, std::size_t i) { return x ^ b.lane[i]; }); }
  Words operator|(const Words& b) const { return each([&](std::uint32_t x, std::size_t i) { return x | b.lane[i]; }); }
  Words operator+(const Words& b) const { return each([&](std::uint32_t x, std::size_t i) { return x + b.lane[i]; }); }
  Words operator+(std::uint32_t b) const { return each([=](std::uint32_t x, std::size_t) { return x + b; }); }
  Words operator<<(int n) const { return each([=](std::uint32_t x, std::size_t) { return x << n; }); }
  Words operator>>(int n) const { return each([=](std::uint32_t x, std::size_t) { return x >> n; }); }
};
#endif

template <int n>
JAXSYNTH_INLINE void turn(Words& x, const Words& with) {
  const Words mixed = x ^ with;
  x = mixed << n | mixed >> (32 - n);
}

JAXSYNTH_INLINE void quarter_round(Words& a, Words& b, Words& c, Words& d) {
  a = a + b;
  turn<16>(d, a);
  c = c + d;
  turn<12>(b, c);
  a = a + b;
  turn<8>(d, a);
  c = c + d;
  turn<7>(b, c);
}

JAXSYNTH_INLINE void group(const Key& key, std::uint64_t counter, std::uint64_t stream, std::uint32_t* out) {
  Words start[16];
  constexpr std::uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (std::size_t i = 0; i < 4; ++i) start[i] = Words{} + constants[i];
  for (std::size_t i = 0; i < 8; ++i) start[4 + i] = Words{} + key.words[i];
  for (std::size_t lane = 0; lane < block_lanes; ++lane) {
    start[12][lane] = static_cast<std::uint32_t>(counter + lane);
    start[13][lane] = static_cast<std::uint32_t>((counter + lane) >> 32);
  }
  start[14] = Words{} + static_cast<std::uint32_t>(stream);
  start[15] = Words{} + static_cast<std::uint32_t>(stream >> 32);
  Words x[16];
  for (std::size_t i = 0; i < 16; ++i) x[i] = start[i];
  for (int double_round = 0; double_round < 10; ++double_round) {
    quarter_round(x[0], x[4], x[8], x[12]);
    quarter_round(x[1], x[5], x[9], x[13]);
    quarter_round(x[2], x[6], x[10], x[14]);
    quarter_round(x[3], x[7], x[11], x[15]);
    quarter_round(x[0], x[5], x[10], x[15]);
    quarter_round(x[1], x[6], x[11], x[12]);
    quarter_round(x[2], x[7], x[8], x[13]);
    quarter_round(x[3], x[4], x[9], x[14]);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    const Words sum = x[i] + start[i];
    std::memcpy(out + i * block_lanes, &sum, sizeof sum);
  }
}

#if JAXSYNTH_HAS_VECTORS && defined(__x86_64__)
__attribute__((target("avx2"))) void group_avx2(const Key& key, std::uint64_t counter, std::uint64_t stream,
                                                std::uint32_t* out) {
  group(key, counter, stream, out);
}
#endif

}  // namespace

void chacha_group(const Key& key, std::uint64_t counter, std::uint64_t stream, std::uint32_t* out) noexcept {
#if JAXSYNTH_HAS_VECTORS && defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return group_avx2(key, counter, stream, out);
#endif
  chacha_group_plain(key, counter, stream, out);
}

void chacha_group_plain(const Key& key, std::uint64_t counter, std::uint64_t stream, std::uint32_t* out) noexcept {
  group(key, counter, stream, out);
}

void ChaCha::refill() noexcept {
  for (std::size_t i = 0; i < size; i += group_words, counter_ += block_lanes)
    chacha_group(key_, counter_, stream_, buffer_ + i);
  at_ = 0;
}

}  // namespace jaxsynth
