// A secret key and the keys that follow from it, one for each array that is drawn.
#pragma once

#include <array>
#include <cstddef>

#include "chacha.hpp"
#include "error.hpp"

namespace jaxsynth {

// Every call of `next` replaces the key by half of a block made from it and gives out the other half, so that what the
// memory holds later tells nothing of earlier draws. Calls must not overlap.
class SecureStream {
 public:
  static constexpr std::size_t key_bytes = 32;

  // With a key from the operating system, drawn at the first call and anew in a forked process.
  SecureStream() = default;
  // With a known key, and so without any secret; for tests.
  explicit SecureStream(const std::array<unsigned char, key_bytes>& key) noexcept;

  Status next(Key& key) noexcept;

 private:
  Key key_;
  bool known_ = false;
  long process_ = 0;  // that drew the key; no process has number 0
};

}  // namespace jaxsynth
