// The walk in blocks of rows. One template, compiled for each vector width that the processor may have.
//
// A column's distribution follows from the codes before it, which many rows share in the first columns. As long as
// they do, it is computed once for each prefix of codes; then for each row. No bit differs: every lane of a block is
// computed alike.
#include "walk.hpp"

#if JAXSYNTH_HAS_VECTORS

#include <algorithm>
#include <numeric>

#include "lanes.hpp"
#include "prefixes.hpp"

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
  std::size_t rows[block] = {};  // of the table: what the lanes stand for
};

bool is_known(const Walk& walk, std::size_t cell) { return walk.known != nullptr && walk.known[cell]; }

bool weighs(const Walk& walk, const WalkColumn& c) { return walk.weigh && c.allowed != nullptr; }

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

JAXSYNTH_INLINE void enter(const WalkColumn& c, const std::int32_t* codes, const bool* which, std::size_t lanes,
                           float* features) {
  for (std::size_t l = 0; l < lanes; ++l) {
    if (which != nullptr && !which[l]) continue;
    const float* own = c.inputs + static_cast<std::size_t>(codes[l]) * c.embedding;
    for (std::size_t e = 0; e < c.embedding; ++e) features[(c.feature + e) * block + l] = own[e];
  }
}

// The features of the lanes' rows: known cells, and what was drawn in the columns before `j`.
JAXSYNTH_INLINE void enter_rows(const Walk& walk, std::size_t j, std::size_t lanes, Scratch& s) {
  if (walk.known != nullptr) std::fill_n(s.features.data(), walk.features * block, 0.0F);
  for (std::size_t k = 0; k < (walk.known == nullptr ? j : walk.columns.size()); ++k) {
    const bool drawn = k < j && !walk.columns[k].skip;
    bool seen[block];
    for (std::size_t l = 0; l < lanes; ++l) {
      const std::size_t cell = k * walk.rows + s.rows[l];
      const bool given = is_known(walk, cell);
      seen[l] = given || drawn;
      if (seen[l]) s.codes[l] = given ? walk.codes[cell] : walk.drawn[cell];
    }
    enter(walk.columns[k], s.codes, seen, lanes, s.features);
  }
}

// Raises the logits of the values of the copied columns, where these are known or came before.
template <class V>
JAXSYNTH_INLINE void raise(const Walk& walk, std::size_t j, std::size_t lanes, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  multiply<V, Then::keep>(c.gates, c.copies, c.hidden, c.gate_bias, s.units, c.hidden, s.gates);
  for (std::size_t k = 0; k < c.copies; ++k) {
    const auto source = static_cast<std::size_t>(c.sources[k]);
    const bool before = source < j && !walk.columns[source].skip;
    const std::int32_t* copied = c.copied + k * c.copied_codes;
    for (std::size_t l = 0; l < lanes; ++l) {
      const std::size_t cell = source * walk.rows + s.rows[l];
      const bool given = is_known(walk, cell);
      if (!given && !before) continue;
      const std::int32_t code = copied[given ? walk.codes[cell] : walk.drawn[cell]];
      if (code >= 0) s.logits[static_cast<std::size_t>(code) * block + l] += s.gates[k * block + l];
    }
  }
}

// Logits, tilt and log mass of what is allowed of a column, for the features and rows of the lanes.
template <class V>
JAXSYNTH_INLINE void evaluate(const Walk& walk, std::size_t j, std::size_t lanes, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  // Without known cells no later column can be seen.
  const std::size_t seen = walk.known == nullptr ? c.feature : walk.features;
  multiply<V, Then::relu>(c.context, c.hidden, walk.features, c.bias, s.features, seen, s.units);
  multiply<V, Then::relu>(c.down, c.rank, c.hidden, c.down_bias, s.units, c.hidden, s.inner);
  multiply<V, Then::add>(c.up, c.hidden, c.rank, nullptr, s.inner, c.rank, s.units);
  multiply<V, Then::keep>(c.head, c.width, c.hidden, c.head_bias, s.units, c.hidden, s.logits);
  if (c.copies != 0) raise<V>(walk, j, lanes, s);
  if (c.tilt != nullptr) multiply<V, Then::keep>(c.tilt, 1, c.hidden, nullptr, s.units, c.hidden, s.tilt);
  if (!weighs(walk, c)) return;
  log_sum<V>(s.logits, nullptr, c.width, s.total_mass);
  log_sum<V>(s.logits, c.allowed, c.width, s.mass);
  for (std::size_t l = 0; l < lanes; ++l) s.mass[l] -= s.total_mass[l];
}

// Draws one column for all rows, from one distribution a prefix.
template <class V>
JAXSYNTH_INLINE void share(const Walk& walk, std::size_t j, const Prefixes& prefixes, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  for (std::size_t first = 0; first < prefixes.size(); first += block) {
    const std::size_t lanes = std::min(block, prefixes.size() - first);
    for (std::size_t l = 0; l < lanes; ++l) s.rows[l] = prefixes.rows(first + l).front();
    enter_rows(walk, j, lanes, s);
    evaluate<V>(walk, j, lanes, s);
    accumulate<V>(s.logits, c.allowed, c.width);
    for (std::size_t l = 0; l < lanes; ++l)
      for (const std::size_t row : prefixes.rows(first + l)) {
        const std::size_t cell = j * walk.rows + row;
        const bool given = is_known(walk, cell);
        walk.drawn[cell] = given ? walk.codes[cell] : pick_one(s.logits + l, c.width, walk.uniforms[cell]);
        if (c.tilt != nullptr) walk.tilts[cell] = s.tilt[l];
        if (weighs(walk, c) && !given) walk.log_mass[row] += s.mass[l];
      }
  }
}

bool worth_sharing(const Walk& walk, const Prefixes& prefixes) { return 2 * prefixes.size() <= walk.rows; }

// Rows with the same known cells are together; given up where that leaves too few together.
void split_by_known(const Walk& walk, Prefixes& prefixes) {
  if (walk.known == nullptr) return;
  std::vector<std::int32_t> codes(walk.rows);
  for (std::size_t j = 0; j < walk.columns.size() && worth_sharing(walk, prefixes); ++j) {
    for (std::size_t r = 0; r < walk.rows; ++r) {
      const std::size_t cell = j * walk.rows + r;
      codes[r] = walk.known[cell] ? walk.codes[cell] + 1 : 0;
    }
    prefixes.split(codes.data(), walk.columns[j].width + 1);
  }
}

// Draws the first columns, as long as rows have prefixes in common; returns how many.
template <class V>
JAXSYNTH_INLINE std::size_t draw_shared(const Walk& walk, Scratch& s) {
  Prefixes prefixes(walk.rows);
  split_by_known(walk, prefixes);
  std::size_t j = 0;
  for (; j < walk.columns.size() && worth_sharing(walk, prefixes); ++j) {
    if (walk.columns[j].skip) continue;
    share<V>(walk, j, prefixes, s);
    prefixes.split(walk.drawn + j * walk.rows, walk.columns[j].width);
  }
  return j;
}

// Draws one column of the block of rows that begins at `first`.
template <class V>
JAXSYNTH_INLINE void visit(const Walk& walk, std::size_t j, std::size_t first, std::size_t rows, Scratch& s) {
  const WalkColumn& c = walk.columns[j];
  const std::size_t cells = j * walk.rows + first;
  evaluate<V>(walk, j, rows, s);
  if (c.tilt != nullptr) std::copy_n(s.tilt.data(), rows, walk.tilts + cells);
  if (weighs(walk, c))
    for (std::size_t r = 0; r < rows; ++r)
      if (!is_known(walk, cells + r)) walk.log_mass[first + r] += s.mass[r];
  std::copy_n(walk.uniforms + cells, rows, s.uniforms.data());
  pick<V>(s.logits, c.allowed, c.width, s.uniforms, s.codes);
  for (std::size_t r = 0; r < rows; ++r)
    if (is_known(walk, cells + r)) s.codes[r] = walk.codes[cells + r];
  enter(c, s.codes, nullptr, rows, s.features);
  std::copy(s.codes, s.codes + rows, walk.drawn + cells);
}

// What is not visited is as it was given, or 0.
void start(const Walk& walk) {
  std::fill_n(walk.log_mass, walk.rows, 0.0F);
  std::fill_n(walk.tilts, walk.columns.size() * walk.rows, 0.0F);
  for (std::size_t j = 0; j < walk.columns.size(); ++j) {
    const std::size_t cells = j * walk.rows;
    if (!walk.columns[j].skip) continue;
    if (walk.codes != nullptr)
      std::copy_n(walk.codes + cells, walk.rows, walk.drawn + cells);
    else
      std::fill_n(walk.drawn + cells, walk.rows, 0);
  }
}

template <class V>
JAXSYNTH_INLINE void draw(const Walk& walk) {
  Scratch scratch(walk);
  start(walk);
  const std::size_t shared = draw_shared<V>(walk, scratch);
  for (std::size_t first = 0; first < walk.rows; first += block) {
    const std::size_t rows = std::min(block, walk.rows - first);
    std::iota(scratch.rows, scratch.rows + rows, first);
    enter_rows(walk, shared, rows, scratch);
    for (std::size_t j = shared; j < walk.columns.size(); ++j)
      if (!walk.columns[j].skip) visit<V>(walk, j, first, rows, scratch);
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
