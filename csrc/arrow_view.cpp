// Validation of what an Arrow producer handed over, before any of its buffers is read.
#include "arrow_view.hpp"

#include <limits>
#include <string>

namespace jaxsynth {
namespace {

bool parse_format(const char* format, Type& type) {
  if (format == nullptr || format[0] == '\0' || format[1] != '\0') return false;
  switch (format[0]) {
    case 'c': type = Type::i8; return true;
    case 's': type = Type::i16; return true;
    case 'i': type = Type::i32; return true;
    case 'l': type = Type::i64; return true;
    case 'C': type = Type::u8; return true;
    case 'S': type = Type::u16; return true;
    case 'I': type = Type::u32; return true;
    case 'L': type = Type::u64; return true;
    case 'f': type = Type::f32; return true;
    case 'g': type = Type::f64; return true;
    default: return false;
  }
}

Status check_type(const ArrowSchema& schema, const ArrowArray& array, Type& type) {
  if (schema.dictionary != nullptr || array.dictionary != nullptr)
    return invalid("the array is dictionary-encoded; pass its integer indices instead");
  if (!parse_format(schema.format, type))
    return invalid("the array has Arrow format '" + std::string(schema.format ? schema.format : "") +
                   "'; pass int8 to int64, uint8 to uint64, float32 or float64");
  return {};
}

Status check_extent(const ArrowArray& array) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 16;  // cells of 8 bytes stay addressable
  if (array.length < 0 || array.offset < 0 || array.length > most || array.offset > most - array.length)
    return invalid("the array has length " + std::to_string(array.length) + " and offset " +
                   std::to_string(array.offset) + "; both must be non-negative and addressable");
  if (array.null_count < -1 || array.null_count > array.length)
    return invalid("the array has a null count of " + std::to_string(array.null_count) + " for " +
                   std::to_string(array.length) + " rows; it must lie between -1 and the length");
  return {};
}

Status check_buffers(const ArrowArray& array) {
  if (array.n_children != 0 || array.n_buffers != 2 || array.buffers == nullptr)
    return invalid("the array has " + std::to_string(array.n_buffers) + " buffers and " +
                   std::to_string(array.n_children) + " children; a primitive array has 2 buffers and no child");
  if (array.length > 0 && array.buffers[1] == nullptr)
    return invalid("the array has rows but no buffer of values; rebuild the array");
  if (array.null_count > 0 && array.buffers[0] == nullptr)
    return invalid("the array counts " + std::to_string(array.null_count) +
                   " nulls but has no validity bitmap; rebuild the array");
  return {};
}

}  // namespace

Status view_array(const ArrowSchema& schema, const ArrowArray& array, View& view) {
  if (schema.release == nullptr || array.release == nullptr)
    return invalid("the Arrow array was already released; export it again");
  Type type{};
  if (Status status = check_type(schema, array, type); !status.ok()) return status;
  if (Status status = check_extent(array); !status.ok()) return status;
  if (Status status = check_buffers(array); !status.ok()) return status;
  view.type = type;
  view.length = static_cast<std::size_t>(array.length);
  view.offset = static_cast<std::size_t>(array.offset);
  view.values = static_cast<const unsigned char*>(array.buffers[1]);
  // A count of 0 promises that the bitmap, if there is one, holds no null; -1 means not counted.
  view.validity = array.null_count == 0 ? nullptr : static_cast<const unsigned char*>(array.buffers[0]);
  return {};
}

}  // namespace jaxsynth
