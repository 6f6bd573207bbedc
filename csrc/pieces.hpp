// One array of random values, cut into pieces that threads draw from streams of their own: the result depends on the
// key alone, and not on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "chacha.hpp"
#include "pool.hpp"

namespace jaxsynth {

// act(bits, begin, end) for pieces of `size` out of `total`; piece i reads stream i of the key.
template <class Act>
Status in_pieces(const Key& key, std::size_t total, std::size_t size, std::size_t threads,
                 const std::atomic<bool>& cancel, const Act& act) {
  const std::size_t pieces = (total + size - 1) / size;
  return run_blocks(thread_count(threads, pieces), pieces, cancel, [&](BlockQueue& queue) -> Status {
    for (std::size_t piece = 0; queue.take(piece);) {
      ChaCha bits(key, piece);
      act(bits, piece * size, std::min(total, (piece + 1) * size));
    }
    return {};
  });
}

}  // namespace jaxsynth
