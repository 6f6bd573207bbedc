// Arrays of random values from a key: noise, batches and plain words. The same key gives the same array for any number
// of threads, so every key is to be used for one array only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "chacha.hpp"
#include "error.hpp"

namespace jaxsynth {

// Threads: 0 for as many as the machine runs at once.
struct Drawing {
  const Key& key;
  std::size_t threads;
  const std::atomic<bool>& cancel;
};

// Independent draws of the discrete Gaussian; see discrete_gaussian.hpp for how exact they are.
Status draw_discrete_gaussian(const Drawing& how, double sigma, std::span<std::int32_t> out);

// `out` is (steps, size). Each step takes every unit 0 .. units - 1 independently with probability threshold / 2^32,
// exactly. Units are in ascending order, places without one hold `units`. Of more than `size` the first are kept.
Status draw_poisson_batches(const Drawing& how, std::int64_t units, std::int64_t threshold, std::size_t size,
                            std::span<std::int32_t> out);

Status draw_words(const Drawing& how, std::span<std::uint32_t> out);

}  // namespace jaxsynth
