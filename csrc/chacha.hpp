// ChaCha20 (RFC 8439, section 2.3) as a stream of random words, with a 64-bit block counter and a 64-bit stream number
// in the place of the RFC's 32-bit counter and 96-bit nonce, as in Bernstein (2008). Keys and buffers are wiped.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "entropy.hpp"

namespace jaxsynth {

struct Key {
  std::array<std::uint32_t, 8> words{};

  Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key() { wipe(words.data(), sizeof words); }
};

// Blocks are made eight at a time, in the lanes of vectors.
constexpr std::size_t block_lanes = 8;
constexpr std::size_t group_words = 16 * block_lanes;

// Word w of block `counter + b` goes to out[8 w + b]: in this order vectors are stored as they are.
void chacha_group(const Key& key, std::uint64_t counter, std::uint64_t stream, std::uint32_t* out) noexcept;

// The same with what every processor of this kind has; for tests.
void chacha_group_plain(const Key& key, std::uint64_t counter, std::uint64_t stream, std::uint32_t* out) noexcept;

// The words of one stream, one after the other, on any machine the same. The 2^64 streams of a key are independent.
class ChaCha {
 public:
  ChaCha(const Key& key, std::uint64_t stream) noexcept : key_(key), stream_(stream) {}
  ChaCha(const ChaCha&) = delete;
  ChaCha& operator=(const ChaCha&) = delete;
  ~ChaCha() { wipe(buffer_, sizeof buffer_); }

  std::uint64_t next64() noexcept {
    if (at_ == size) refill();
    const std::uint64_t low = buffer_[at_], high = buffer_[at_ + 1];
    at_ += 2;
    return low | high << 32;
  }

 private:
  static constexpr std::size_t size = 4 * group_words;

  void refill() noexcept;

  Key key_;
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
  std::size_t at_ = size;
  alignas(64) std::uint32_t buffer_[size];
};

}  // namespace jaxsynth
