// What both halves of the Python face share.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <span>
#include <stdexcept>

#include "error.hpp"

namespace jaxsynth {

// Anything that converts to doubles.
using Doubles = pybind11::array_t<double, pybind11::array::c_style | pybind11::array::forcecast>;

inline void raise_unless_ok(const Status& status) {
  switch (status.code) {
    case Code::ok: return;
    case Code::invalid: throw pybind11::value_error(status.message);
    case Code::out_of_memory: PyErr_NoMemory(); throw pybind11::error_already_set();
    case Code::cancelled:
    case Code::internal: throw std::runtime_error(status.message);
  }
}

template <class T, int flags>
std::span<T> span_of(pybind11::array_t<T, flags>& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

template <class T, int flags>
std::span<const T> span_of(const pybind11::array_t<T, flags>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

void bind_cells(pybind11::module_& module);  // bind_cells.cpp

}  // namespace jaxsynth
