// Drawing rows from an ordered network, column after column: what is drawn, and the function that draws it.
// All matrices have rows of the table last. Knows nothing of Python or XLA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "error.hpp"
#include "has_vectors.hpp"

namespace jaxsynth {

// One column's weights, row-major. A context row holds a weight for every feature of the table.
struct WalkColumn {
  const float* context = nullptr;    // (hidden, features)
  const float* bias = nullptr;       // (hidden)
  const float* down = nullptr;       // (rank, hidden)
  const float* down_bias = nullptr;  // (rank)
  const float* up = nullptr;         // (hidden, rank)
  const float* head = nullptr;       // (width, hidden)
  const float* head_bias = nullptr;  // (width)
  const float* tilt = nullptr;       // (hidden), or null for columns without positions
  const float* inputs = nullptr;     // (width, embedding)
  const float* allowed = nullptr;    // (width) logs of the allowed share of each code, or null
  std::size_t hidden = 0;
  std::size_t rank = 0;
  std::size_t width = 0;
  std::size_t embedding = 0;
  std::size_t feature = 0;  // the first of its own features
  // Columns whose value it may copy: a gate raises the logit of the code that holds it.
  std::size_t copies = 0;
  std::size_t copied_codes = 0;           // of the source that has most
  const float* gates = nullptr;           // (copies, hidden)
  const float* gate_bias = nullptr;       // (copies)
  const std::int32_t* sources = nullptr;  // (copies) columns
  const std::int32_t* copied = nullptr;   // (copies, copied_codes) its code for each of the source's, or -1
  bool skip = false;        // not visited
};

// Matrices of (columns, rows). `known` may be null: then no cell is, and `codes` is not read.
struct Walk {
  std::vector<WalkColumn> columns;
  std::size_t features = 0;
  std::size_t rows = 0;
  const float* uniforms = nullptr;  // in [0, 1)
  const bool* known = nullptr;      // cells that are read from `codes`, not drawn
  const std::int32_t* codes = nullptr;
  std::int32_t* drawn = nullptr;
  float* tilts = nullptr;
  float* log_mass = nullptr;  // (rows): log probability that the drawn cells are allowed, or zeros
  bool weigh = false;         // whether it is asked for
};

// Draws every row. Only defined where the compiler has vectors.
Status draw_walk(const Walk& walk) noexcept;

}  // namespace jaxsynth
