// Reads the buffers of a call into a `Walk`. The caller, jaxsynth/models/native_walk.py, lays them out:
//   uniforms (d, n), codes (d, n), known (d, n) or (0, 0), skip (d), allowed (sum of widths) or (0),
//   context (units, features), bias (units),
//   for each span: down, down_bias, up, tilt; for each group: head, head_bias, inputs;
//   for each group that copies: gates, gate_bias, sources (g, k), codes (g, k, c).
// `table` has a row of numbers for each column, see `Entry`.
#include "calls.hpp"

#include "walk.hpp"

#if JAXSYNTH_HAS_VECTORS

#include <new>

#include "operands.hpp"

namespace jaxsynth {
namespace {

// One row of `table`.
enum Entry : std::size_t {
  hidden, rank, width, embedding,  // sizes
  unit, feature,                   // the first of its own
  span, in_span, group, in_group,  // where its weights are
  allowed_at,
  tilted,
  copies, copied_codes, copying,   // sizes, and the first operand of the group's gates
  entries
};

WalkColumn column(const std::int64_t* row, const Operands& weights, std::size_t features, std::size_t spans) {
  const auto number = [row](Entry e) { return static_cast<std::size_t>(row[e]); };
  const std::size_t at_span = 2 + 4 * number(span), at_group = 2 + 4 * spans + 3 * number(group);
  WalkColumn c;
  c.hidden = number(hidden);
  c.rank = number(rank);
  c.width = number(width);
  c.embedding = number(embedding);
  c.feature = number(feature);
  c.context = weights.data(0) + number(unit) * features;
  c.bias = weights.data(1) + number(unit);
  c.down = weights.data(at_span) + number(in_span) * c.rank * c.hidden;
  c.down_bias = weights.data(at_span + 1) + number(in_span) * c.rank;
  c.up = weights.data(at_span + 2) + number(in_span) * c.hidden * c.rank;
  if (number(tilted) != 0) c.tilt = weights.data(at_span + 3) + number(in_span) * c.hidden;
  c.head = weights.data(at_group) + number(in_group) * c.width * c.hidden;
  c.head_bias = weights.data(at_group + 1) + number(in_group) * c.width;
  c.inputs = weights.data(at_group + 2) + number(in_group) * c.width * c.embedding;
  c.copies = number(copies);
  if (c.copies != 0) {
    const std::size_t own = number(in_group) * c.copies;
    c.copied_codes = number(copied_codes);
    c.gates = weights.data(number(copying)) + own * c.hidden;
    c.gate_bias = weights.data(number(copying) + 1) + own;
    c.sources = weights.data<std::int32_t>(number(copying) + 2) + own;
    c.copied = weights.data<std::int32_t>(number(copying) + 3) + own * c.copied_codes;
  }
  return c;
}

ffi::Error call(Matrix uniforms, Codes codes, Cells known,
                Flags skip, Vector allowed, ffi::RemainingArgs weights,
                ffi::Result<Codes> drawn, ffi::Result<Matrix> tilts,
                ffi::Result<Vector> log_mass, Numbers table, std::int64_t features,
                std::int64_t spans, std::int64_t weigh) {
  const auto columns = static_cast<std::size_t>(uniforms.dimensions()[0]);
  if (table.size() != columns * entries) return ffi::Error::InvalidArgument("walk: table does not fit the columns");
  try {
    Walk walk;
    walk.features = static_cast<std::size_t>(features);
    walk.rows = static_cast<std::size_t>(uniforms.dimensions()[1]);
    walk.uniforms = uniforms.typed_data();
    walk.codes = codes.typed_data();
    if (known.element_count() != 0) walk.known = known.typed_data();
    walk.drawn = drawn->typed_data();
    walk.tilts = tilts->typed_data();
    walk.log_mass = log_mass->typed_data();
    walk.weigh = weigh != 0;
    for (std::size_t j = 0; j < columns; ++j) {
      const std::int64_t* row = table.begin() + j * entries;
      walk.columns.push_back(column(row, {weights}, walk.features, static_cast<std::size_t>(spans)));
      walk.columns.back().skip = skip.typed_data()[j];
      if (allowed.element_count() != 0) walk.columns.back().allowed = allowed.typed_data() + row[allowed_at];
    }
    if (draw_walk(walk).ok()) return ffi::Error::Success();
  } catch (const std::bad_alloc&) {
  }
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "walk: out of memory");
}

XLA_FFI_DEFINE_HANDLER(handler, call,
                       ffi::Ffi::Bind()
                           .Arg<Matrix>()
                           .Arg<Codes>()
                           .Arg<Cells>()
                           .Arg<Flags>()
                           .Arg<Vector>()
                           .RemainingArgs()
                           .Ret<Codes>()
                           .Ret<Matrix>()
                           .Ret<Vector>()
                           .Attr<Numbers>("table")
                           .Attr<std::int64_t>("features")
                           .Attr<std::int64_t>("spans")
                           .Attr<std::int64_t>("weigh"));

}  // namespace

void* walk_call() noexcept { return reinterpret_cast<void*>(handler); }

}  // namespace jaxsynth

#else

namespace jaxsynth {
void* walk_call() noexcept { return nullptr; }
}  // namespace jaxsynth

#endif
