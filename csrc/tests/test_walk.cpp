// The walk against the same sums written plainly in float64, one row at a time.
#include "walk.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <vector>

#include "harness.hpp"

using namespace jaxsynth;

#if JAXSYNTH_HAS_VECTORS

namespace {

struct Net {
  std::deque<std::vector<float>> memory;
  std::deque<std::vector<std::int32_t>> integers;
  std::mt19937 random{11};
  std::vector<WalkColumn> columns;
  std::size_t features = 0;

  const float* numbers(std::size_t count) {
    std::normal_distribution<float> normal(0.0F, 0.4F);
    memory.emplace_back(count);
    for (float& x : memory.back()) x = normal(random);
    return memory.back().data();
  }

  const std::int32_t* codes(std::size_t count, std::int32_t low, std::int32_t high) {
    std::uniform_int_distribution<std::int32_t> uniform(low, high);
    integers.emplace_back(count);
    for (std::int32_t& x : integers.back()) x = uniform(random);
    return integers.back().data();
  }

  // Each column copies two others, before or after it.
  void copy(WalkColumn& c, std::size_t j) {
    c.copies = 2;
    c.copied_codes = 48;
    c.gates = numbers(c.copies * c.hidden);
    c.gate_bias = numbers(c.copies);
    integers.push_back({static_cast<std::int32_t>((j + 1) % 4), static_cast<std::int32_t>((j + 3) % 4)});
    c.sources = integers.back().data();
    c.copied = codes(c.copies * c.copied_codes, -1, static_cast<std::int32_t>(c.width) - 1);
  }

  Net() {
    const std::size_t widths[] = {2, 16, 3, 48}, embeddings[] = {2, 4, 2, 8}, hidden[] = {7, 16, 5, 9};
    for (const std::size_t e : embeddings) features += e;
    std::size_t feature = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      WalkColumn c;
      c.hidden = hidden[j];
      c.rank = 6;
      c.width = widths[j];
      c.embedding = embeddings[j];
      c.feature = feature;
      feature += c.embedding;
      c.context = numbers(c.hidden * features);
      c.bias = numbers(c.hidden);
      c.down = numbers(c.rank * c.hidden);
      c.down_bias = numbers(c.rank);
      c.up = numbers(c.hidden * c.rank);
      c.head = numbers(c.width * c.hidden);
      c.head_bias = numbers(c.width);
      c.inputs = numbers(c.width * c.embedding);
      if (j % 2 == 1) c.tilt = numbers(c.hidden);
      if (j != 2) copy(c, j);
      columns.push_back(c);
    }
  }
};

double dot(const float* a, const std::vector<double>& b, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

std::vector<double> units(const WalkColumn& c, const std::vector<double>& features) {
  std::vector<double> h(c.hidden), inner(c.rank);
  for (std::size_t i = 0; i < c.hidden; ++i)
    h[i] = std::max(0.0, dot(c.context + i * features.size(), features, features.size()) + c.bias[i]);
  for (std::size_t i = 0; i < c.rank; ++i) inner[i] = std::max(0.0, dot(c.down + i * c.hidden, h, c.hidden) + c.down_bias[i]);
  for (std::size_t i = 0; i < c.hidden; ++i) h[i] += dot(c.up + i * c.rank, inner, c.rank);
  return h;
}

struct Plain {
  std::vector<double> upto;  // running sums of the codes' shares
  double log_mass = 0;
};

// `seen` has the codes of the columns that are known or drawn, -1 for the others.
Plain shares(const WalkColumn& c, const std::vector<double>& h, const std::vector<std::int32_t>& seen) {
  std::vector<double> free(c.width), inside(c.width);
  for (std::size_t i = 0; i < c.width; ++i) free[i] = dot(c.head + i * c.hidden, h, c.hidden) + c.head_bias[i];
  for (std::size_t k = 0; k < c.copies; ++k) {
    const std::int32_t source = seen[static_cast<std::size_t>(c.sources[k])];
    if (source < 0) continue;
    const std::int32_t wanted = c.copied[k * c.copied_codes + static_cast<std::size_t>(source)];
    if (wanted >= 0) free[static_cast<std::size_t>(wanted)] += dot(c.gates + k * c.hidden, h, c.hidden) + c.gate_bias[k];
  }
  for (std::size_t i = 0; i < c.width; ++i) {
    free[i] = std::exp(free[i]);
    inside[i] = c.allowed == nullptr ? free[i] : free[i] * std::exp(static_cast<double>(c.allowed[i]));
  }
  double all = 0, total = 0;
  for (const double x : free) all += x;
  for (const double x : inside) total += x;
  Plain plain;
  double sum = 0;
  for (const double x : inside) plain.upto.push_back((sum += x) / total);
  plain.log_mass = std::log(total / all);
  return plain;
}

// The code is the one that the uniform falls on, up to rounding at the borders.
bool falls_on(const Plain& plain, double u, std::size_t code) {
  const double before = code == 0 ? 0.0 : plain.upto[code - 1];
  return before <= u + 1e-5 && u <= plain.upto[code] + 1e-5 && plain.upto[code] > before;
}

struct Drawn {
  std::vector<std::int32_t> codes;
  std::vector<float> tilts, log_mass;
};

Drawn run(Walk& walk) {
  Drawn out{std::vector<std::int32_t>(walk.columns.size() * walk.rows, -1),
            std::vector<float>(walk.columns.size() * walk.rows), std::vector<float>(walk.rows)};
  walk.drawn = out.codes.data();
  walk.tilts = out.tilts.data();
  walk.log_mass = out.log_mass.data();
  CHECK(draw_walk(walk).ok());
  return out;
}

void agrees(const Walk& walk, const Drawn& drawn, const bool* known) {
  bool codes = true, tilts = true, mass = true, kept = true;
  for (std::size_t r = 0; r < walk.rows; ++r) {
    std::vector<double> features(walk.features, 0.0);
    std::vector<std::int32_t> seen(walk.columns.size(), -1);
    const auto enter = [&](std::size_t j, std::int32_t code) {
      const WalkColumn& c = walk.columns[j];
      seen[j] = code;
      for (std::size_t e = 0; e < c.embedding; ++e)
        features[c.feature + e] = c.inputs[static_cast<std::size_t>(code) * c.embedding + e];
    };
    for (std::size_t j = 0; known != nullptr && j < walk.columns.size(); ++j)
      if (known[j * walk.rows + r]) enter(j, walk.codes[j * walk.rows + r]);
    double log_mass = 0;
    for (std::size_t j = 0; j < walk.columns.size(); ++j) {
      const std::size_t cell = j * walk.rows + r;
      const bool read = known != nullptr && known[cell];
      if (walk.columns[j].skip) continue;
      const std::vector<double> h = units(walk.columns[j], features);
      const Plain plain = shares(walk.columns[j], h, seen);
      const std::int32_t code = drawn.codes[cell];
      if (read) kept = kept && code == walk.codes[cell];
      else codes = codes && falls_on(plain, static_cast<double>(walk.uniforms[cell]), static_cast<std::size_t>(code));
      if (!read) log_mass += plain.log_mass;
      if (walk.columns[j].tilt != nullptr)
        tilts = tilts && std::abs(dot(walk.columns[j].tilt, h, h.size()) - static_cast<double>(drawn.tilts[cell])) < 1e-4;
      enter(j, code);
    }
    if (walk.weigh) mass = mass && std::abs(log_mass - static_cast<double>(drawn.log_mass[r])) < 1e-3;
    else mass = mass && drawn.log_mass[r] == 0.0F;
  }
  CHECK(codes);
  CHECK(tilts);
  CHECK(mass);
  CHECK(kept);
}

void agrees_for(std::size_t rows) {
  Net net;
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  std::vector<float> uniforms(4 * rows);
  for (float& u : uniforms) u = uniform(net.random);
  uniforms[0] = 0.0F;
  Walk walk;
  walk.columns = net.columns;
  walk.features = net.features;
  walk.rows = rows;
  walk.uniforms = uniforms.data();
  agrees(walk, run(walk), nullptr);

  std::vector<std::int32_t> codes(4 * rows);
  std::vector<char> marks(4 * rows);
  for (std::size_t cell = 0; cell < 4 * rows; ++cell) {
    codes[cell] = static_cast<std::int32_t>(net.random() % walk.columns[cell / rows].width);
    marks[cell] = net.random() % 3 == 0;
  }
  const bool* known = reinterpret_cast<const bool*>(marks.data());
  walk.codes = codes.data();
  walk.known = known;
  agrees(walk, run(walk), known);

  // Only codes 1 and 4 of the second column, in different shares; the third column is not visited.
  std::vector<float> allowed(16, -2e9F);
  allowed[1] = 0.0F;
  allowed[4] = std::log(0.3F);
  walk.known = nullptr;
  walk.columns[1].allowed = allowed.data();
  walk.columns[2].skip = true;
  walk.weigh = true;
  const Drawn drawn = run(walk);
  agrees(walk, drawn, nullptr);
  bool inside = true;
  for (std::size_t r = 0; r < rows; ++r) inside = inside && (drawn.codes[rows + r] == 1 || drawn.codes[rows + r] == 4);
  CHECK(inside);
}

// A restriction, and columns that are known in some rows or in all, of rows that share their first codes and of
// rows that do not.
void drawn_together_as_alone(std::size_t rows, std::uint32_t known_share) {
  Net net;
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  std::vector<float> uniforms(4 * rows), allowed(16);
  std::vector<std::int32_t> codes(4 * rows);
  std::vector<char> marks(4 * rows);
  for (float& u : uniforms) u = uniform(net.random);
  for (std::size_t cell = 0; cell < 4 * rows; ++cell) {
    codes[cell] = static_cast<std::int32_t>(net.random() % net.columns[cell / rows].width);
    marks[cell] = net.random() % 100 < known_share || (known_share != 0 && cell / rows == 2);
  }
  allowed[3] = -2e9F;
  Walk walk;
  walk.columns = net.columns;
  walk.columns[1].allowed = allowed.data();
  walk.features = net.features;
  walk.weigh = true;
  const auto draw = [&walk, known_share](std::size_t n, const float* u, const std::int32_t* code, const char* mark) {
    walk.rows = n;
    walk.uniforms = u;
    walk.codes = code;
    walk.known = known_share == 0 ? nullptr : reinterpret_cast<const bool*>(mark);
    return run(walk);
  };
  const Drawn together = draw(rows, uniforms.data(), codes.data(), marks.data());
  bool same_codes = true, same_tilts = true, same_mass = true;
  for (std::size_t r = 0; r < rows; ++r) {
    float u[4];
    std::int32_t code[4];
    char mark[4];
    for (std::size_t j = 0; j < 4; ++j) {
      u[j] = uniforms[j * rows + r];
      code[j] = codes[j * rows + r];
      mark[j] = marks[j * rows + r];
    }
    const Drawn alone = draw(1, u, code, mark);
    for (std::size_t j = 0; j < 4; ++j) {
      same_codes = same_codes && alone.codes[j] == together.codes[j * rows + r];
      same_tilts = same_tilts && alone.tilts[j] == together.tilts[j * rows + r];
    }
    same_mass = same_mass && alone.log_mass[0] == together.log_mass[r];
  }
  CHECK(same_codes);
  CHECK(same_tilts);
  CHECK(same_mass);
}

}  // namespace

int main() {
  for (const std::size_t rows : {std::size_t{2}, std::size_t{7}, std::size_t{150}, std::size_t{3000}})
    for (const std::uint32_t known_share : {0U, 1U, 60U}) drawn_together_as_alone(rows, known_share);
  for (const std::size_t rows : {std::size_t{1}, std::size_t{143}, std::size_t{144}, std::size_t{500}}) agrees_for(rows);
  return test::result();
}

#else

int main() { return 0; }

#endif
