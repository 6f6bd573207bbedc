// The walk in blocks of rows. One template, compiled for each vector width that the processor may have.
#include "walk.hpp"

#if JAXSYNTH_HAS_VECTORS

#include <algorithm>

#include "lanes.hpp"

namespace jaxsynth {
namespace {

// The largest of a size over the columns, at least 1.
std::size_t most(const Walk& walk, std::size_t WalkColumn::* size) {
  std::size_t found = 1;
  for (const WalkColumn& c : walk.columns) found = std::max(found, c.*size);
  return found;
}

struct Scratch {
  explicit Scratch(const Walk& walk)
      : features(walk.features + 1),
        units(most(walk, &WalkColumn::hidden)),
        inner(most(walk, &WalkColumn::rank)),
        logits(most(walk, &WalkColumn::width)),
        gates(most(walk, &WalkColumn::copies)) {}

  BlockMatrix features, units, inner, logits, gates;
  BlockMatrix uniforms{1}, tilt{1}, total_mass{1}, mass{1};
  alignas(64) std::int32_t codes[block] = {};
};

// Log of the sum of exponentials of each row's logits, with `extra` added to every row's, which may be null.
template <class V>
JAXSYNTH_INLINE void log_sum(const float* logits, const float* extra, std::size_t width, float* out) {
  for (std::size_t r = 0; r < block; r += lanes<V>) {
    V most = V{} - 4e9F, sum = V{};
    for (std::size_t c = 0; c < width; ++c) {
      const V x = at<V>(logits + c * block + r) + (extra == nullptr ? 0.0F : extra[c]);
      most = x > most ? x : most;
    }
    for (std::size_t c = 0; c < width; ++c) {
      V x = at<V>(logits + c * block + r) + (extra == nullptr ? 0.0F : extra[c]) - most;
      exponential(x);
      sum += x;
    }
    for (std::size_t l = 0; l < lanes<V>; ++l) out[r + l] = most[l] + std::log(sum[l]);
  }
}

JAXSYNTH_INLINE void enter(const WalkColumn& c, const std::int32_t* codes, const bool* which, std::size_t rows,
                           float* features) {
  for (std::size_t r = 0; r < rows; ++r) {
    if (which != nullptr && !which[r]) continue;
    const float* own = c.inputs + static_cast<std::size_t>(codes[r]) * c.embedding;
    for (std::size_t e = 0; e < c.embedding; ++e) features[(c.feature + e) * block + r] = own[e];
  }
}

// Raises the logits of the values of the copied columns, where these are known or came before.
template <class V>
JAXSYNTH_INLINE void raise(const Walk& walk, std::size_t j, std::size_t first, std::size_t rows, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  multiply<V, Then::keep>(c.gates, c.copies, c.hidden, c.gate_bias, s.units, c.hidden, s.gates);
  for (std::size_t k = 0; k < c.copies; ++k) {
    const auto source = static_cast<std::size_t>(c.sources[k]);
    const std::size_t cells = source * walk.rows + first;
    const bool* known = walk.known == nullptr ? nullptr : walk.known + cells;
    const bool before = source < j && !walk.columns[source].skip;
    const std::int32_t* copied = c.copied + k * c.copied_codes;
    for (std::size_t r = 0; r < rows; ++r) {
      const bool given = known != nullptr && known[r];
      if (!given && !before) continue;
      const std::int32_t code = copied[given ? walk.codes[cells + r] : walk.drawn[cells + r]];
      if (code >= 0) s.logits[static_cast<std::size_t>(code) * block + r] += s.gates[k * block + r];
    }
  }
}

template <class V>
JAXSYNTH_INLINE void visit(const Walk& walk, std::size_t j, std::size_t first, std::size_t rows, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  const std::size_t cells = j * walk.rows + first;
  const bool* known = walk.known == nullptr ? nullptr : walk.known + cells;
  // Without known cells no later column can be seen.
  const std::size_t seen = known == nullptr ? c.feature : walk.features;
  multiply<V, Then::relu>(c.context, c.hidden, walk.features, c.bias, s.features, seen, s.units);
  multiply<V, Then::relu>(c.down, c.rank, c.hidden, c.down_bias, s.units, c.hidden, s.inner);
  multiply<V, Then::add>(c.up, c.hidden, c.rank, nullptr, s.inner, c.rank, s.units);
  multiply<V, Then::keep>(c.head, c.width, c.hidden, c.head_bias, s.units, c.hidden, s.logits);
  if (c.copies != 0) raise<V>(walk, j, first, rows, s);
  if (c.tilt != nullptr) {
    multiply<V, Then::keep>(c.tilt, 1, c.hidden, nullptr, s.units, c.hidden, s.tilt);
    std::copy_n(s.tilt.data(), rows, walk.tilts + cells);
  }
  if (walk.weigh && c.allowed != nullptr) {
    log_sum<V>(s.logits, nullptr, c.width, s.total_mass);
    log_sum<V>(s.logits, c.allowed, c.width, s.mass);
    for (std::size_t r = 0; r < rows; ++r)
      if (known == nullptr || !known[r]) walk.log_mass[first + r] += s.mass[r] - s.total_mass[r];
  }
  std::copy_n(walk.uniforms + cells, rows, s.uniforms.data());
  pick<V>(s.logits, c.allowed, c.width, s.uniforms, s.codes);
  if (known != nullptr)
    for (std::size_t r = 0; r < rows; ++r)
      if (known[r]) s.codes[r] = walk.codes[cells + r];
  enter(c, s.codes, nullptr, rows, s.features);
  std::copy(s.codes, s.codes + rows, walk.drawn + cells);
}

template <class V>
JAXSYNTH_INLINE void draw(const Walk& walk) {
  Scratch scratch(walk);
  std::fill(walk.log_mass, walk.log_mass + walk.rows, 0.0F);
  std::fill(walk.tilts, walk.tilts + walk.columns.size() * walk.rows, 0.0F);
  for (std::size_t first = 0; first < walk.rows; first += block) {
    const std::size_t rows = std::min(block, walk.rows - first);
    if (walk.known != nullptr) {
      std::fill_n(scratch.features.data(), walk.features * block, 0.0F);
      for (std::size_t j = 0; j < walk.columns.size(); ++j) {
        const std::size_t cells = j * walk.rows + first;
        enter(walk.columns[j], walk.codes + cells, walk.known + cells, rows, scratch.features);
      }
    }
    for (std::size_t j = 0; j < walk.columns.size(); ++j) {
      const std::size_t cells = j * walk.rows + first;
      if (!walk.columns[j].skip)
        visit<V>(walk, j, first, rows, scratch);
      else if (walk.codes != nullptr)
        std::copy(walk.codes + cells, walk.codes + cells + rows, walk.drawn + cells);
      else
        std::fill(walk.drawn + cells, walk.drawn + cells + rows, 0);
    }
  }
}

struct Draw {
  template <class V>
  static JAXSYNTH_INLINE void run(const Walk& walk) {
    draw<V>(walk);
  }
};

}  // namespace

Status draw_walk(const Walk& walk) noexcept { return run_here<Draw>(walk); }

}  // namespace jaxsynth

#endif
