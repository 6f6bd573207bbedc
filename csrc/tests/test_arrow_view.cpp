// Views: types, offsets, bitmaps, and every reason to refuse an array.
#include <cstdint>
#include <vector>

#include "arrow_view.hpp"
#include "column.hpp"
#include "harness.hpp"

using namespace jaxsynth;

namespace {

template <class T>
void shows_cells(Type type) {
  for (std::size_t offset : {0, 1, 7, 8, 13}) {
    const test::Column column = test::make_column<T>({1, 2, 3, 4}, {false, true, false, true}, offset);
    const View view = column.view();
    CHECK(view.type == type);
    CHECK(view.length == 4);
    CHECK(view.value<T>(2) == T{3});
    CHECK(!view.is_null(0) && view.is_null(1) && !view.is_null(2) && view.is_null(3));
  }
}

void reads_misaligned_values() {
  std::vector<unsigned char> bytes(1 + sizeof(double));
  const double cell = 2.5;
  std::memcpy(bytes.data() + 1, &cell, sizeof cell);
  test::Column column = test::make_column<double>({0});
  column.buffers[1] = bytes.data() + 1;
  CHECK(column.view().value<double>(0) == 2.5);
}

void trusts_a_null_count_of_zero() {
  test::Column column = test::make_column<double>({1, 2}, {true, true});
  column.array.null_count = 0;
  CHECK(!column.view().is_null(0));
}

void accepts_no_rows() {
  test::Column column = test::make_column<float>({});
  column.buffers[1] = nullptr;
  CHECK(column.view().length == 0);
}

template <class Spoil>
void refuses(const char* part, Spoil spoil) {
  test::Column column = test::make_column<double>({1, 2}, {false, true});
  spoil(column);
  View view;
  CHECK(test::invalid(view_array(column.schema, column.array, view), part));
}

void refuses_bad_arrays() {
  using test::Column;
  refuses("released", [](Column& c) { c.array.release = nullptr; });
  refuses("released", [](Column& c) { c.schema.release = nullptr; });
  refuses("format 'u'", [](Column& c) { c.schema.format = "u"; });
  refuses("format 'tsu:'", [](Column& c) { c.schema.format = "tsu:"; });
  refuses("format ''", [](Column& c) { c.schema.format = ""; });
  refuses("format ''", [](Column& c) { c.schema.format = nullptr; });
  refuses("dictionary", [](Column& c) { c.schema.dictionary = &c.schema; });
  refuses("dictionary", [](Column& c) { c.array.dictionary = &c.array; });
  refuses("length -1", [](Column& c) { c.array.length = -1; });
  refuses("offset -1", [](Column& c) { c.array.offset = -1; });
  refuses("addressable", [](Column& c) { c.array.offset = INT64_MAX; });
  refuses("addressable", [](Column& c) { c.array.length = INT64_MAX; });
  refuses("null count", [](Column& c) { c.array.null_count = 3; });
  refuses("null count", [](Column& c) { c.array.null_count = -2; });
  refuses("3 buffers", [](Column& c) { c.array.n_buffers = 3; });
  refuses("1 children", [](Column& c) { c.array.n_children = 1; });
  refuses("buffers", [](Column& c) { c.array.buffers = nullptr; });
  refuses("no buffer of values", [](Column& c) { c.buffers[1] = nullptr; });
  refuses("no validity bitmap", [](Column& c) {
    c.array.null_count = 1;
    c.buffers[0] = nullptr;
  });
}

}  // namespace

int main() {
  shows_cells<std::int8_t>(Type::i8);
  shows_cells<std::int16_t>(Type::i16);
  shows_cells<std::int32_t>(Type::i32);
  shows_cells<std::int64_t>(Type::i64);
  shows_cells<std::uint8_t>(Type::u8);
  shows_cells<std::uint16_t>(Type::u16);
  shows_cells<std::uint32_t>(Type::u32);
  shows_cells<std::uint64_t>(Type::u64);
  shows_cells<float>(Type::f32);
  shows_cells<double>(Type::f64);
  reads_misaligned_values();
  trusts_a_null_count_of_zero();
  accepts_no_rows();
  refuses_bad_arrays();
  return test::result();
}
