/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include <gnuradio/gr_complex.h>
#include <pmt/pmt.h>
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace {

using sample_array = py::array_t<gr_complex, py::array::c_style | py::array::forcecast>;

pmt::pmt_t samples_to_pmt(const sample_array& samples)
{
    return pmt::init_c32vector(samples.size(), samples.data());
}

py::array_t<gr_complex> samples_from_pmt(const pmt::pmt_t& vector)
{
    if (!pmt::is_c32vector(vector)) {
        throw py::type_error("no vector of complex64");
    }
    std::size_t count = 0;
    const gr_complex* samples = pmt::c32vector_elements(vector, count);
    return py::array_t<gr_complex>(count, samples);
}

} // namespace

void bind_samples(py::module& m)
{
    m.def("samples_to_pmt",
          &samples_to_pmt,
          py::arg("samples"),
          "Vector of complex64 of an array, in one copy; pmt's own binding takes element "
          "by element.");
    m.def("samples_from_pmt",
          &samples_from_pmt,
          py::arg("vector"),
          "Array complex64 (n,) of a vector, in one copy.");
}
