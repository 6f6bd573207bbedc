// Arrow arrays made for tests: they own their cells, may start at an offset and may hold nulls.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "arrow_view.hpp"

namespace test {

template <class T>
constexpr const char* format_of() {
  if constexpr (std::is_same_v<T, double>) return "g";
  if constexpr (std::is_same_v<T, float>) return "f";
  if constexpr (std::is_same_v<T, std::int8_t>) return "c";
  if constexpr (std::is_same_v<T, std::int16_t>) return "s";
  if constexpr (std::is_same_v<T, std::int32_t>) return "i";
  if constexpr (std::is_same_v<T, std::int64_t>) return "l";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "C";
  if constexpr (std::is_same_v<T, std::uint16_t>) return "S";
  if constexpr (std::is_same_v<T, std::uint32_t>) return "I";
  if constexpr (std::is_same_v<T, std::uint64_t>) return "L";
}

inline void release_schema(ArrowSchema* schema) { schema->release = nullptr; }
inline void release_array(ArrowArray* array) { array->release = nullptr; }

// The storage is exact to the byte, so that a sanitizer sees any read past either buffer. The cells
// before the offset are filled with ones and are null.
struct Column {
  std::unique_ptr<unsigned char[]> values;
  std::unique_ptr<unsigned char[]> validity;
  std::unique_ptr<const void*[]> buffers;
  ArrowSchema schema{};
  ArrowArray array{};

  jaxsynth::View view() const {
    jaxsynth::View shown;
    if (!jaxsynth::view_array(schema, array, shown).ok()) shown.length = ~std::size_t{0};
    return shown;
  }
};

// `nulls` is empty, for no bitmap, or has one entry per cell.
template <class T>
Column make_column(const std::vector<T>& cells, const std::vector<bool>& nulls = {}, std::size_t offset = 0) {
  Column column;
  const std::size_t total = offset + cells.size();
  column.values = std::make_unique<unsigned char[]>(total * sizeof(T));
  std::memset(column.values.get(), 0xFF, offset * sizeof(T));
  if (!cells.empty()) std::memcpy(column.values.get() + offset * sizeof(T), cells.data(), cells.size() * sizeof(T));
  if (!nulls.empty()) {
    column.validity = std::make_unique<unsigned char[]>((total + 7) / 8);
    for (std::size_t i = 0; i < nulls.size(); ++i) {
      unsigned char& byte = column.validity[(offset + i) / 8];
      if (!nulls[i]) byte = static_cast<unsigned char>(byte | (1U << ((offset + i) % 8)));
    }
  }
  column.buffers = std::make_unique<const void*[]>(2);
  column.buffers[0] = column.validity.get();
  column.buffers[1] = column.values.get();
  column.schema.format = format_of<T>();
  column.schema.release = release_schema;
  column.array.length = static_cast<std::int64_t>(cells.size());
  column.array.offset = static_cast<std::int64_t>(offset);
  column.array.null_count = nulls.empty() ? 0 : -1;
  column.array.n_buffers = 2;
  column.array.buffers = column.buffers.get();
  column.array.release = release_array;
  return column;
}

}  // namespace test
