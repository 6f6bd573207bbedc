// Reads the buffers of a call into a `Decoder`. The caller, jaxsynth/models/native_decoder.py, lays them out:
//   latents (latent, n), uniforms (d, n), for each layer: kernel (outputs, inputs), bias;
//   kernel of the columns (features, hidden) and of the tilts (v, hidden);
//   for each group: bias (g, width) and basis (g, width, f), (0) where it has none.
// `table` has a row of numbers for each column, see `Entry`.
#include "calls.hpp"

#include "decoder.hpp"

#if JAXSYNTH_HAS_VECTORS

#include <new>

#include "operands.hpp"

namespace jaxsynth {
namespace {

// One row of `table`.
enum Entry : std::size_t {
  width, features,         // sizes; no features where the group has no basis
  kernel_row,              // the first of its own
  group, in_group,         // where its weights are
  group_width,             // which the group's columns are padded to
  entries
};

DecoderColumn column(const std::int64_t* row, const Operands& weights, std::size_t layers, std::size_t hidden) {
  const auto number = [row](Entry e) { return static_cast<std::size_t>(row[e]); };
  const std::size_t at_group = 2 * layers + 2 + 2 * number(group), first = number(in_group) * number(group_width);
  DecoderColumn c;
  c.width = number(width);
  c.features = number(features);
  c.kernel = weights.data(2 * layers) + number(kernel_row) * hidden;
  c.bias = weights.data(at_group) + first;
  if (c.features != 0) c.basis = weights.data(at_group + 1) + first * c.features;
  return c;
}

ffi::Error call(Matrix latents, Matrix uniforms, ffi::RemainingArgs buffers, ffi::Result<Codes> drawn,
                ffi::Result<Matrix> tilted, Numbers table, Numbers units) {
  const auto columns = static_cast<std::size_t>(uniforms.dimensions()[0]);
  if (table.size() != columns * entries)
    return ffi::Error::InvalidArgument("decoder: table does not fit the columns");
  const Operands weights{buffers};
  try {
    Decoder decoder;
    decoder.latent = static_cast<std::size_t>(latents.dimensions()[0]);
    decoder.rows = static_cast<std::size_t>(uniforms.dimensions()[1]);
    decoder.tilts = static_cast<std::size_t>(tilted->dimensions()[0]);
    decoder.latents = latents.typed_data();
    decoder.uniforms = uniforms.typed_data();
    decoder.drawn = drawn->typed_data();
    decoder.tilted = tilted->typed_data();
    std::size_t hidden = decoder.latent;
    for (std::size_t i = 0; i < units.size(); ++i) {
      hidden = static_cast<std::size_t>(units[i]);
      decoder.layers.push_back({weights.data(2 * i), weights.data(2 * i + 1), hidden});
    }
    decoder.tilt = weights.data(2 * units.size() + 1);
    for (std::size_t j = 0; j < columns; ++j)
      decoder.columns.push_back(column(table.begin() + j * entries, weights, units.size(), hidden));
    if (draw_decoder(decoder).ok()) return ffi::Error::Success();
  } catch (const std::bad_alloc&) {
  }
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "decoder: out of memory");
}

XLA_FFI_DEFINE_HANDLER(handler, call,
                       ffi::Ffi::Bind()
                           .Arg<Matrix>()
                           .Arg<Matrix>()
                           .RemainingArgs()
                           .Ret<Codes>()
                           .Ret<Matrix>()
                           .Attr<Numbers>("table")
                           .Attr<Numbers>("units"));

}  // namespace

void* decoder_call() noexcept { return reinterpret_cast<void*>(handler); }

}  // namespace jaxsynth

#else

namespace jaxsynth {
void* decoder_call() noexcept { return nullptr; }
}  // namespace jaxsynth

#endif
