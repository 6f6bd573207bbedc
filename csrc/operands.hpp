// Buffers of a custom call of XLA, by their number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <xla/ffi/api/ffi.h>

namespace jaxsynth {

namespace ffi = xla::ffi;

using Matrix = ffi::Buffer<ffi::F32, 2>;
using Codes = ffi::Buffer<ffi::S32, 2>;
using Cells = ffi::Buffer<ffi::PRED, 2>;
using Flags = ffi::Buffer<ffi::PRED, 1>;
using Vector = ffi::Buffer<ffi::F32, 1>;
using Numbers = ffi::Span<const std::int64_t>;

struct Operands {
  const ffi::RemainingArgs& all;

  template <class T = float>
  const T* data(std::size_t i) const {
    const auto buffer = all.get<ffi::AnyBuffer>(i);
    return buffer.has_value() ? buffer.value().typed_data<T>() : nullptr;
  }
};

}  // namespace jaxsynth
