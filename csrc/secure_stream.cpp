// Where keys come from.
#include "secure_stream.hpp"

#include "entropy.hpp"

namespace jaxsynth {

SecureStream::SecureStream(const std::array<unsigned char, key_bytes>& key) noexcept : known_(true) {
  for (std::size_t i = 0; i < key_bytes; ++i)
    key_.words[i / 4] |= static_cast<std::uint32_t>(key[i]) << (8 * (i % 4));
}

Status SecureStream::next(Key& key) noexcept {
  if (!known_ && process_ != process_id()) {
    if (Status status = fill_from_system(key_.words.data(), key_bytes); !status.ok()) return status;
    process_ = process_id();
  }
  // Counter and stream are 0: arrays are drawn with other keys.
  std::uint32_t group[group_words];
  chacha_group(key_, 0, 0, group);
  for (std::size_t i = 0; i < key_.words.size(); ++i) {
    key_.words[i] = group[i * block_lanes];
    key.words[i] = group[(i + 8) * block_lanes];
  }
  wipe(group, sizeof group);
  return {};
}

}  // namespace jaxsynth
