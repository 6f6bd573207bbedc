// Rows of a decoder in blocks. One template, compiled for each vector width that the processor may have.
#include "decoder.hpp"

#if JAXSYNTH_HAS_VECTORS

#include <algorithm>
#include <utility>

#include "lanes.hpp"

namespace jaxsynth {
namespace {

std::size_t widest(const Decoder& decoder) {
  std::size_t found = decoder.latent;
  for (const DecoderLayer& layer : decoder.layers) found = std::max(found, layer.outputs);
  return found;
}

std::size_t most(const Decoder& decoder, std::size_t DecoderColumn::* size) {
  std::size_t found = 1;
  for (const DecoderColumn& c : decoder.columns) found = std::max(found, c.*size);
  return found;
}

struct Scratch {
  explicit Scratch(const Decoder& decoder)
      : even(widest(decoder)),
        odd(widest(decoder)),
        tilted(decoder.tilts),
        features(most(decoder, &DecoderColumn::features)),
        logits(most(decoder, &DecoderColumn::width)) {}

  BlockMatrix even, odd, tilted, features, logits;
  BlockMatrix uniforms{1};
  alignas(64) std::int32_t codes[block] = {};
};

// Rows `first` to `first + rows - 1` of a matrix (size, of) into a block, or back.
void copy_in(const float* from, std::size_t size, std::size_t of, std::size_t first, std::size_t rows, float* to) {
  for (std::size_t i = 0; i < size; ++i) std::copy_n(from + i * of + first, rows, to + i * block);
}

void copy_out(const float* from, std::size_t size, std::size_t of, std::size_t first, std::size_t rows, float* to) {
  for (std::size_t i = 0; i < size; ++i) std::copy_n(from + i * block, rows, to + i * of + first);
}

template <class V>
JAXSYNTH_INLINE void draw_column(const DecoderColumn& c, const float* hidden, std::size_t units, Scratch& s) {
  if (c.basis == nullptr) {
    multiply<V, Then::keep>(c.kernel, c.width, units, c.bias, hidden, units, s.logits);
  } else {
    multiply<V, Then::keep>(c.kernel, c.features, units, nullptr, hidden, units, s.features);
    multiply<V, Then::keep>(c.basis, c.width, c.features, c.bias, s.features, c.features, s.logits);
  }
  pick<V>(s.logits, nullptr, c.width, s.uniforms, s.codes);
}

template <class V>
JAXSYNTH_INLINE void draw(const Decoder& decoder) {
  Scratch s(decoder);
  for (std::size_t first = 0; first < decoder.rows; first += block) {
    const std::size_t rows = std::min(block, decoder.rows - first);
    float *in = s.even, *out = s.odd;
    std::size_t units = decoder.latent;
    copy_in(decoder.latents, units, decoder.rows, first, rows, in);
    for (const DecoderLayer& layer : decoder.layers) {
      multiply<V, Then::relu>(layer.kernel, layer.outputs, units, layer.bias, in, units, out);
      units = layer.outputs;
      std::swap(in, out);
    }
    multiply<V, Then::keep>(decoder.tilt, decoder.tilts, units, nullptr, in, units, s.tilted);
    copy_out(s.tilted, decoder.tilts, decoder.rows, first, rows, decoder.tilted);
    for (std::size_t j = 0; j < decoder.columns.size(); ++j) {
      copy_in(decoder.uniforms + j * decoder.rows, 1, decoder.rows, first, rows, s.uniforms);
      draw_column<V>(decoder.columns[j], in, units, s);
      std::copy_n(s.codes, rows, decoder.drawn + j * decoder.rows + first);
    }
  }
}

struct Draw {
  template <class V>
  static JAXSYNTH_INLINE void run(const Decoder& decoder) {
    draw<V>(decoder);
  }
};

}  // namespace

Status draw_decoder(const Decoder& decoder) noexcept { return run_here<Draw>(decoder); }

}  // namespace jaxsynth

#endif
