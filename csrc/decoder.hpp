// Drawing rows from a decoder: columns that are independent given a row's latent vector.
// All matrices have rows of the table last. Knows nothing of Python or XLA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "error.hpp"
#include "has_vectors.hpp"

namespace jaxsynth {

// out = relu(kernel in + bias).
struct DecoderLayer {
  const float* kernel = nullptr;  // (outputs, inputs), the inputs being the outputs before
  const float* bias = nullptr;    // (outputs)
  std::size_t outputs = 0;
};

// Logits of the codes = basis (kernel hidden) + bias, or kernel hidden + bias where there is no basis.
struct DecoderColumn {
  const float* kernel = nullptr;  // (features or width, hidden)
  const float* basis = nullptr;   // (width, features), or null
  const float* bias = nullptr;    // (width)
  std::size_t width = 0;
  std::size_t features = 0;
};

struct Decoder {
  std::vector<DecoderLayer> layers;
  std::vector<DecoderColumn> columns;
  const float* tilt = nullptr;  // (tilts, hidden)
  std::size_t tilts = 0;
  std::size_t latent = 0;
  std::size_t rows = 0;
  const float* latents = nullptr;   // (latent, rows)
  const float* uniforms = nullptr;  // (columns, rows), in [0, 1)
  std::int32_t* drawn = nullptr;    // (columns, rows)
  float* tilted = nullptr;          // (tilts, rows)
};

// Draws every row. Only defined where the compiler has vectors.
Status draw_decoder(const Decoder& decoder) noexcept;

}  // namespace jaxsynth
