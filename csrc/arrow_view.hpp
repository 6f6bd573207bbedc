// Read-only views of primitive Arrow arrays.
// Only the view and the checks that make one may live here. A view owns nothing: the producer's array
// must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "arrow_abi.h"
#include "error.hpp"

namespace jaxsynth {

enum class Type : std::uint8_t { i8, i16, i32, i64, u8, u16, u32, u64, f32, f64 };

constexpr bool is_integer(Type type) noexcept { return type != Type::f32 && type != Type::f64; }

struct View {
  Type type = Type::f64;
  std::size_t length = 0;
  std::size_t offset = 0;                  // in cells, for both buffers
  const unsigned char* values = nullptr;   // may be null only when length is 0
  const unsigned char* validity = nullptr; // one bit per cell, low bit first; null: no cell is null

  bool is_null(std::size_t row) const noexcept {
    if (validity == nullptr) return false;
    const std::size_t bit = offset + row;
    return ((validity[bit / 8] >> (bit % 8)) & 1) == 0;
  }

  // Through memcpy because the specification recommends aligned buffers but does not demand them.
  template <class T>
  T value(std::size_t row) const noexcept {
    T cell;
    std::memcpy(&cell, values + (offset + row) * sizeof(T), sizeof(T));
    return cell;
  }
};

// Makes `view` show `array`, or says why it cannot. Copies no cell.
Status view_array(const ArrowSchema& schema, const ArrowArray& array, View& view);

}  // namespace jaxsynth
