// The Python face of decoding: what arrays and buffers hold, checked, and the interpreter's lock released.
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bind.hpp"
#include "cells.hpp"

namespace py = pybind11;
using namespace jaxsynth;

namespace {

using Readings = std::vector<const Reading*>;
using Starts = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;

template <class T, int flags>
std::vector<T> vector_of(const py::array_t<T, flags>& array) {
  const auto cells = span_of(array);
  return {cells.begin(), cells.end()};
}

bool is_aligned(const void* memory, std::size_t width) { return reinterpret_cast<std::uintptr_t>(memory) % width == 0; }

// The cells of a one-dimensional array of exactly this type, without a copy; false if it is another.
template <class T, class Spans>
bool view(const py::handle& object, Spans& out) {
  if (!py::isinstance<py::array_t<T>>(object)) return false;
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != 1 || (array.size() > 1 && array.strides(0) != static_cast<py::ssize_t>(sizeof(T)))) return false;
  if (!is_aligned(array.data(), sizeof(T))) return false;
  out = std::span<const T>(static_cast<const T*>(array.data()), static_cast<std::size_t>(array.size()));
  return true;
}

py::value_error wrong(const std::string& what, std::size_t column, const std::string& remedy) {
  return py::value_error(what + " of column " + std::to_string(column) + " are of another kind; pass " + remedy);
}

// The rows of each part, column by column. The arrays stay with `keep`.
std::vector<std::vector<Rows>> rows_of(const Readings& readings, const py::sequence& parts,
                                       std::vector<py::object>& keep) {
  std::vector<std::vector<Rows>> columns(readings.size());
  for (const py::handle part : parts) {
    if (!py::isinstance<py::sequence>(part) || py::len(part) != 2)
      throw py::value_error("a part is not a pair; pass the codes and the positions of some rows");
    const auto [codes, positions] = part.cast<std::pair<py::sequence, py::sequence>>();
    keep.insert(keep.end(), {codes, positions});
    if (codes.size() != readings.size())
      throw py::value_error("a part has " + std::to_string(codes.size()) + " columns of codes, not " +
                            std::to_string(readings.size()) + "; pass codes of all columns");
    std::size_t next = 0;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      Rows rows;
      const py::object cells = codes[i];
      if (!view<std::uint8_t>(cells, rows.codes) && !view<std::uint16_t>(cells, rows.codes) &&
          !view<std::uint32_t>(cells, rows.codes))
        throw wrong("codes", i, "one-dimensional arrays of uint8, uint16 or uint32 without gaps");
      keep.push_back(cells);
      if (readings[i]->has_positions()) {
        if (next >= positions.size()) throw wrong("positions", i, "one array a column of numbers between knots");
        const py::object at = positions[next++];
        if (!view<float>(at, rows.positions) && !view<double>(at, rows.positions))
          throw wrong("positions", i, "one-dimensional arrays of float32 or float64 without gaps");
        keep.push_back(at);
      }
      columns[i].push_back(rows);
    }
    if (next != positions.size())
      throw py::value_error("a part has positions of " + std::to_string(positions.size()) + " columns, not " +
                            std::to_string(next) + "; pass those of numbers between knots");
  }
  return columns;
}

// Memory to write cells of so many bytes to.
py::buffer_info room(const py::buffer& buffer, std::size_t width) {
  py::buffer_info found = buffer.request(true);
  const bool gaps = found.ndim != 1 || (found.size > 1 && found.strides[0] != found.itemsize);
  if (gaps || !is_aligned(found.ptr, width))
    throw py::value_error("a buffer has gaps or begins within a cell; pass memory in one piece");
  return found;
}

template <class T>
std::span<T> span_of(const py::buffer_info& buffer) {
  return {static_cast<T*>(buffer.ptr), static_cast<std::size_t>(buffer.size * buffer.itemsize)};
}

std::vector<std::size_t> decode(const std::vector<py::object>& objects, const py::sequence& parts,
                                const std::vector<py::buffer>& cells,
                                const std::vector<std::optional<py::buffer>>& bits) {
  Readings readings;
  for (const py::object& object : objects) readings.push_back(&object.cast<const Reading&>());
  if (cells.size() != readings.size() || bits.size() != readings.size())
    throw py::value_error("buffers of " + std::to_string(cells.size()) + " and " + std::to_string(bits.size()) +
                          " columns; pass one of each for all " + std::to_string(readings.size()));
  std::vector<py::object> keep;
  const auto columns = rows_of(readings, parts, keep);
  std::vector<py::buffer_info> to, valid;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    to.push_back(room(cells[i], readings[i]->width()));
    valid.push_back(bits[i] ? room(*bits[i], 1) : py::buffer_info());
  }
  std::vector<std::size_t> nulls(readings.size());
  Status status;
  std::size_t at = 0;
  {
    const py::gil_scoped_release released;
    for (; at < readings.size() && status.ok(); ++at)
      status = readings[at]->decode(columns[at], span_of<std::byte>(to[at]), span_of<std::uint8_t>(valid[at]), nulls[at]);
  }
  if (!status.ok()) status.message = "column " + std::to_string(at - 1) + ": " + status.message;
  raise_unless_ok(status);
  return nulls;
}

Reading levels(std::size_t present, bool missing, std::size_t width) {
  Reading out;
  raise_unless_ok(Reading::levels(present, missing, width, out));
  return out;
}

Reading table(const py::array& cells, bool missing) {
  Reading out;
  const auto take = [&]<class T>(T) {
    if (!py::isinstance<py::array_t<T>>(cells)) return false;
    const auto held = py::array_t<T, py::array::c_style>::ensure(cells);
    raise_unless_ok(Reading::table(vector_of(held), missing, out));
    return true;
  };
  if (!take(std::uint8_t{}) && !take(std::uint16_t{}) && !take(std::uint32_t{}) && !take(std::uint64_t{}))
    throw py::value_error("cells are of another type; pass the memory of cells as uint8, uint16, uint32 or uint64");
  return out;
}

Reading numbers(const Doubles& atoms, std::int64_t intervals, const Doubles& values, const Doubles& ranks,
                const Starts& starts, const std::array<double, 4>& grid, bool missing) {
  Numbers made;
  Reading out;
  raise_unless_ok(Numbers::make(vector_of(atoms), intervals, {vector_of(values), vector_of(ranks), vector_of(starts)},
                                {grid[0], grid[1], grid[2], grid[3]}, made));
  raise_unless_ok(Reading::numbers(std::move(made), missing, out));
  return out;
}

}  // namespace

void jaxsynth::bind_cells(py::module_& module) {
  py::class_<Reading>(module, "Reading", "What the codes of a column become.")
      .def_static("levels", &levels, py::arg("present"), py::arg("missing"), py::arg("width"),
                  "Each code is its cell, in so many bytes.")
      .def_static("table", &table, py::arg("cells"), py::arg("missing"), "Each code has a cell.")
      .def_static("numbers", &numbers, py::arg("atoms"), py::arg("intervals"), py::arg("values"), py::arg("ranks"),
                  py::arg("starts"), py::arg("grid"), py::arg("missing"),
                  "Atoms, and numbers between the knots of a distribution function.")
      .def_property_readonly("width", &Reading::width, "Bytes of a cell.")
      .def_property_readonly("missing", &Reading::missing, "Whether cells may be missing.");
  module.def("decode", &decode, py::arg("readings"), py::arg("parts"), py::arg("cells"), py::arg("bits"),
             "Write the cells of all columns, and the bits that say which there are.");
}
