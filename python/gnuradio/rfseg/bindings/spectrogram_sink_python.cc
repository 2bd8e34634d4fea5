/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

/* BINDTOOL_HEADER_FILE(spectrogram_sink.h)           */
/* BINDTOOL_HEADER_FILE_HASH(f7a7a01da92fc32a8593f3abe6dc3691)                       */

#include "frame_python.h"
#include <gnuradio/rfseg/spectrogram_sink.h>

namespace py = pybind11;

void bind_spectrogram_sink(py::module& m)
{
    using gr::rfseg::spectrogram_sink;

    py::class_<spectrogram_sink,
               gr::block,
               gr::basic_block,
               std::shared_ptr<spectrogram_sink>>(
        m,
        "spectrogram_sink",
        "IQ in, spectrogram rows in dBFS out, every sample in exactly one frame.")
        .def(py::init([](double samp_rate,
                         unsigned fft_size,
                         unsigned hop,
                         unsigned segments_per_row,
                         unsigned rows,
                         const std::vector<std::string>& reductions,
                         const std::string& item_type,
                         std::optional<double> center_freq,
                         bool lossless,
                         double settling,
                         unsigned infer_every,
                         unsigned row_span,
                         const std::string& extremes) {
                 return spectrogram_sink::make(samp_rate,
                                               to_shape(samp_rate,
                                                        fft_size,
                                                        hop,
                                                        segments_per_row,
                                                        rows,
                                                        reductions,
                                                        row_span,
                                                        extremes),
                                               item_type,
                                               center_freq,
                                               lossless,
                                               settling,
                                               infer_every);
             }),
             py::arg("samp_rate"),
             py::arg("fft_size"),
             py::arg("hop"),
             py::arg("segments_per_row"),
             py::arg("rows"),
             py::arg("reductions"),
             py::arg("item_type"),
             py::arg("center_freq"),
             py::arg("lossless"),
             py::arg("settling"),
             py::arg("infer_every") = 1,
             py::arg("row_span") = 0,
             py::arg("extremes") = "all")
        .def("set_infer_every",
             &spectrogram_sink::set_infer_every,
             py::arg("infer_every"),
             "From the next frame on, one in so many has rows.")
        .def("set_settling",
             &spectrogram_sink::set_settling,
             py::arg("settling"),
             "Settling time of the retunes to come, s.")
        .def(
            "latest_frame",
            [](const spectrogram_sink& self) -> py::object {
                const auto frame = self.latest_frame();
                if (!frame) {
                    return py::none();
                }
                return py::make_tuple(to_array(frame->rows, self.shape()),
                                      to_dict(frame->info));
            },
            "Newest frame that has rows: rows, float32 (C, T, F) in dBFS, and a dict "
            "with the keys "
            "of the\n"
            "rfseg_frame tag; None before the first. Safe to call from any thread.")
        .def("frames", &spectrogram_sink::frames, "Frames finished in this run.")
        .def("gaps", &spectrogram_sink::gaps, "Jumps of rx_time in this run.")
        .def("lost_samples",
             &spectrogram_sink::lost_samples,
             "Samples that jumps of rx_time tell of in this run.")
        .def("settling_samples",
             &spectrogram_sink::settling_samples,
             "Samples in which the receiver settled in this run.")
        .def("overflows", &spectrogram_sink::overflows, "Overflows told of in this run.")
        .def("bad_messages",
             &spectrogram_sink::bad_messages,
             "Malformed messages and tags in this run.")
        .def("non_finite",
             &spectrogram_sink::non_finite,
             "Samples read as 0 in this run.");
}
