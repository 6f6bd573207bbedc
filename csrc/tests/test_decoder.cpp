// The decoder against the same sums written plainly in float64, one row at a time.
#include "decoder.hpp"

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
  std::mt19937 random{7};
  Decoder decoder;

  const float* numbers(std::size_t count) {
    std::normal_distribution<float> normal(0.0F, 0.5F);
    memory.emplace_back(count);
    for (float& x : memory.back()) x = normal(random);
    return memory.back().data();
  }

  // `depth` layers; columns with and without a basis, among them one of a single code.
  explicit Net(std::size_t depth) {
    std::size_t units = decoder.latent = 5;
    for (std::size_t i = 0; i < depth; ++i) {
      const std::size_t outputs = i == 0 ? 17 : 6;
      decoder.layers.push_back({numbers(outputs * units), numbers(outputs), outputs});
      units = outputs;
    }
    const std::size_t widths[] = {2, 1, 48, 9}, features[] = {0, 0, 11, 0};
    for (std::size_t j = 0; j < 4; ++j) {
      DecoderColumn c;
      c.width = widths[j];
      c.features = features[j];
      c.kernel = numbers((c.features == 0 ? c.width : c.features) * units);
      if (c.features != 0) c.basis = numbers(c.width * c.features);
      c.bias = numbers(c.width);
      decoder.columns.push_back(c);
    }
    decoder.tilts = 2;
    decoder.tilt = numbers(decoder.tilts * units);
  }
};

std::vector<double> product(const float* a, std::size_t rows, const std::vector<double>& x) {
  std::vector<double> out(rows, 0.0);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < x.size(); ++j) out[i] += static_cast<double>(a[i * x.size() + j]) * x[j];
  return out;
}

std::vector<double> hidden(const Decoder& decoder, std::size_t r) {
  std::vector<double> x(decoder.latent);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(decoder.latents[i * decoder.rows + r]);
  for (const DecoderLayer& layer : decoder.layers) {
    x = product(layer.kernel, layer.outputs, x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::max(0.0, x[i] + static_cast<double>(layer.bias[i]));
  }
  return x;
}

// Whether the uniform falls on the code, up to rounding at the borders.
bool falls_on(const DecoderColumn& c, const std::vector<double>& h, double u, std::size_t code) {
  std::vector<double> logits = product(c.kernel, c.features == 0 ? c.width : c.features, h);
  if (c.features != 0) logits = product(c.basis, c.width, logits);
  double total = 0, before = 0;
  for (std::size_t i = 0; i < c.width; ++i) {
    logits[i] = std::exp(logits[i] + static_cast<double>(c.bias[i]));
    total += logits[i];
    if (i < code) before += logits[i];
  }
  return before / total <= u + 1e-5 && u <= (before + logits[code]) / total + 1e-5;
}

void agrees(std::size_t depth, std::size_t rows) {
  Net net(depth);
  Decoder& decoder = net.decoder;
  const std::size_t columns = decoder.columns.size();
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  std::vector<float> uniforms(columns * rows), tilted(decoder.tilts * rows);
  for (float& u : uniforms) u = uniform(net.random);
  uniforms[0] = 0.0F;
  std::vector<std::int32_t> drawn(columns * rows, -1);
  decoder.rows = rows;
  decoder.latents = net.numbers(decoder.latent * rows);
  decoder.uniforms = uniforms.data();
  decoder.drawn = drawn.data();
  decoder.tilted = tilted.data();
  CHECK(draw_decoder(decoder).ok());
  bool inside = true, codes = true, tilts = true;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::vector<double> h = hidden(decoder, r);
    for (std::size_t j = 0; j < columns; ++j) {
      const std::int32_t code = drawn[j * rows + r];
      inside = inside && code >= 0 && static_cast<std::size_t>(code) < decoder.columns[j].width;
      if (inside)
        codes = codes && falls_on(decoder.columns[j], h, static_cast<double>(uniforms[j * rows + r]),
                                  static_cast<std::size_t>(code));
    }
    const std::vector<double> expected = product(decoder.tilt, decoder.tilts, h);
    for (std::size_t i = 0; i < decoder.tilts; ++i)
      tilts = tilts && std::abs(expected[i] - static_cast<double>(tilted[i * rows + r])) < 1e-4;
  }
  CHECK(inside);
  CHECK(codes);
  CHECK(tilts);
}

}  // namespace

int main() {
  for (const std::size_t depth : {std::size_t{0}, std::size_t{1}, std::size_t{2}})
    for (const std::size_t rows : {std::size_t{1}, std::size_t{143}, std::size_t{144}, std::size_t{500}})
      agrees(depth, rows);
  return test::result();
}

#else

int main() { return 0; }

#endif
