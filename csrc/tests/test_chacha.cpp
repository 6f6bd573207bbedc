// ChaCha20: the vectors of RFC 8439, counters beyond 32 bits, and streams that go on where a buffer ends.
#include <array>
#include <cstdint>

#include "chacha.hpp"
#include "harness.hpp"
#include "secure_stream.hpp"

using namespace jaxsynth;

namespace {

using Block = std::array<std::uint32_t, 16>;
using Group = decltype(&chacha_group);

Key counting_key() {
  Key key;
  for (std::uint32_t i = 0; i < 8; ++i) key.words[i] = 0x03020100U + i * 0x04040404U;
  return key;
}

Block block(Group group, const Key& key, std::uint64_t counter, std::uint64_t stream, std::size_t lane = 0) {
  std::uint32_t words[group_words];
  group(key, counter, stream, words);
  Block out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = words[i * block_lanes + lane];
  return out;
}

// The nonce 000000090000004a00000000 and the counter 1: in our places the nonce's first word is the counter's upper half.
void matches_section_2_3_2(Group group) {
  const Block expected = {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
                          0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
  CHECK(block(group, counting_key(), 0x0900000000000001, 0x000000004a000000) == expected);
}

// The first two vectors of appendix A.1: a key, nonce and counter of zeros, and the block after.
void matches_appendix_a_1(Group group) {
  const Block first = {0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653, 0xb819d2bd, 0x1aed8da0, 0xccef36a8, 0xc70d778b,
                       0x7c5941da, 0x8d485751, 0x3fe02477, 0x374ad8b8, 0xf4b8436a, 0x1ca11815, 0x69b687c3, 0x8665eeb2};
  const Block second = {0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73, 0xa0290fcb, 0x6965e348, 0x3e53c612, 0xed7aee32,
                        0x7621b729, 0x434ee69c, 0xb03371d5, 0xd539d874, 0x281fed31, 0x45fb0a51, 0x1f0ae1ac, 0x6f4d794b};
  CHECK(block(group, Key{}, 0, 0) == first);
  CHECK(block(group, Key{}, 1, 0) == second);
  CHECK(block(group, Key{}, 0, 0, 1) == second);
}

void carries_into_the_upper_half(Group group) {
  const std::uint64_t edge = std::uint64_t{1} << 32;
  for (std::size_t lane = 0; lane < block_lanes; ++lane)
    CHECK(block(group, counting_key(), edge - 4, 7, lane) == block(group, counting_key(), edge - 4 + lane, 7));
  CHECK(block(group, counting_key(), edge, 7) != block(group, counting_key(), 0, 7));
}

void streams_go_on() {
  ChaCha bits(counting_key(), 5);
  bool same = true;
  for (std::uint64_t counter = 0; counter < 20 * block_lanes; counter += block_lanes) {
    std::uint32_t words[group_words];
    chacha_group(counting_key(), counter, 5, words);
    for (std::size_t i = 0; i < group_words; i += 2)
      same = same && bits.next64() == (words[i] | std::uint64_t{words[i + 1]} << 32);
  }
  CHECK(same);
  CHECK(ChaCha(counting_key(), 5).next64() != ChaCha(counting_key(), 6).next64());
}

void keys_follow_one_another() {
  std::array<unsigned char, SecureStream::key_bytes> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i);
  SecureStream stream(bytes);
  Key first, second;
  CHECK(stream.next(first).ok() && stream.next(second).ok());
  const Block made = block(chacha_group, counting_key(), 0, 0);
  Key next;
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(first.words[i] == made[i + 8]);
    next.words[i] = made[i];
  }
  CHECK(second.words[0] == block(chacha_group, next, 0, 0)[8]);
}

void the_system_gives_other_keys_each_time() {
  SecureStream a, b;
  Key of_a, of_b, again;
  CHECK(a.next(of_a).ok() && b.next(of_b).ok() && a.next(again).ok());
  CHECK(of_a.words != of_b.words && of_a.words != again.words);
  std::array<unsigned char, 1000> bytes{};
  CHECK(fill_from_system(bytes.data(), bytes.size()).ok());
  int zeros = 0;
  for (unsigned char byte : bytes) zeros += byte == 0 ? 1 : 0;
  CHECK(zeros < 40);  // 4 are expected
}

}  // namespace

int main() {
  for (Group group : {&chacha_group, &chacha_group_plain}) {
    matches_section_2_3_2(group);
    matches_appendix_a_1(group);
    carries_into_the_upper_half(group);
  }
  streams_go_on();
  keys_follow_one_another();
  the_system_gives_other_keys_each_time();
  return test::result();
}
