/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include <pybind11/pybind11.h>

namespace py = pybind11;

void bind_keys(py::module& m);
void bind_records(py::module& m);
void bind_samples(py::module& m);
void bind_framer(py::module& m);
void bind_spectrogram_sink(py::module& m);
void bind_band_tagger(py::module& m);

PYBIND11_MODULE(rfseg_python, m)
{
    m.doc() = "C++ half of gnuradio.rfseg.";
    py::module::import("gnuradio.gr"); // the base classes of the blocks
    bind_keys(m);
    bind_records(m);
    bind_samples(m);
    bind_framer(m);
    bind_spectrogram_sink(m);
    bind_band_tagger(m);
}
