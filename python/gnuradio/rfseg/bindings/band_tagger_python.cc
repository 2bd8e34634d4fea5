/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

/* BINDTOOL_HEADER_FILE(band_tagger.h)                */
/* BINDTOOL_HEADER_FILE_HASH(d02f112535319359bef670f3d96a25f1)                       */

#include <gnuradio/rfseg/band_tagger.h>
#include <pybind11/pybind11.h>

namespace py = pybind11;

void bind_band_tagger(py::module& m)
{
    using gr::rfseg::band_tagger;

    py::class_<band_tagger, gr::block, gr::basic_block, std::shared_ptr<band_tagger>>(
        m, "band_tagger", "Delays IQ until its bands are known and tags them on it.")
        .def(py::init(&band_tagger::make),
             py::arg("item_size"),
             py::arg("mode"),
             py::arg("hold_seconds"),
             py::arg("ring_samples"))
        .def("late_bands",
             &band_tagger::late_bands,
             "Bands that came too late in this run.")
        .def(
            "bad_messages", &band_tagger::bad_messages, "Malformed messages in this run.")
        .def("released", &band_tagger::released, "Samples that have left.")
        .def("held", &band_tagger::held, "Samples in the ring.")
        .def("set_stall_timeout",
             &band_tagger::set_stall_timeout,
             py::arg("seconds"),
             "Seconds without progress after which lossless mode gives up; 10 by "
             "default.");
}
