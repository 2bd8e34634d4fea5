/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

/* BINDTOOL_HEADER_FILE(framer.h)                     */
/* BINDTOOL_HEADER_FILE_HASH(9e49103b01e6fd01ec6df93e04c002b0)                       */

#include "frame_python.h"
#include <stdexcept>
#include <string>
#include <utility>

namespace py = pybind11;

namespace {

using gr::rfseg::framer;
using gr::rfseg::rx_time;
using gr::rfseg::sample_type;
using gr::rfseg::stream_change;
using py_time = std::pair<std::uint64_t, double>;

std::optional<rx_time> to_time(const std::optional<py_time>& time)
{
    if (!time) {
        return std::nullopt;
    }
    if (!(time->second >= 0 && time->second < 1)) {
        throw std::invalid_argument("rx_time has a fraction of " +
                                    std::to_string(time->second) +
                                    " s, expected 0 (included) to 1 (excluded)");
    }
    return rx_time{ time->first, time->second };
}

//! A framer that takes NumPy arrays and hands back whole frames.
class array_framer : public framer
{
public:
    array_framer(const gr::rfseg::spectrogram_shape& shape,
                 const std::string& item_type,
                 double samp_rate,
                 std::optional<double> center_freq)
        : framer(shape, gr::rfseg::to_sample_type(item_type), samp_rate, center_freq),
          d_item_type(item_type)
    {
    }

    py::list feed_array(const py::array& samples)
    {
        const bool is_complex = d_item_type == "complex64";
        const py::array iq = py::array::ensure(samples, py::array::c_style);
        if (!iq || !iq.dtype().is(py::dtype(d_item_type)) ||
            (is_complex ? iq.ndim() != 1 : iq.ndim() != 2 || iq.shape(1) != 2)) {
            throw std::invalid_argument(
                "samples are " + std::string(py::str(samples.dtype())) + " of shape " +
                std::string(py::str(samples.attr("shape"))) + ", expected " +
                d_item_type + (is_complex ? " of shape (n,)" : " of shape (n, 2)"));
        }
        const std::size_t count = iq.shape(0);
        const std::size_t item = iq.itemsize() * (is_complex ? 1 : 2);
        const char* data = static_cast<const char*>(iq.data());
        py::list frames;
        std::size_t taken = 0;
        while (true) {
            collect(frames);
            if (taken == count) {
                return frames;
            }
            taken += feed(data + taken * item, count - taken);
        }
    }

    py::list cut_array(std::optional<double> samp_rate,
                       std::optional<double> center_freq,
                       const std::optional<py_time>& time,
                       double settling)
    {
        cut(stream_change{ samp_rate, center_freq, to_time(time), settling });
        return collected();
    }

    py::list end_array()
    {
        end();
        return collected();
    }

private:
    void collect(py::list& frames)
    {
        for (; ready(); release()) {
            const gr::rfseg::frame_info frame = info();
            frames.append(py::make_tuple(frame.skipped
                                             ? py::object(py::none())
                                             : py::object(to_array(rows(), shape())),
                                         to_dict(frame)));
        }
    }

    py::list collected()
    {
        py::list frames;
        collect(frames);
        return frames;
    }

    const std::string d_item_type;
};

} // namespace

void bind_framer(py::module& m)
{
    py::class_<array_framer>(
        m,
        "framer",
        "Cuts samples into frames and computes their rows, as spectrogram_sink does.\n\n"
        "feed, cut and end return the frames that have become complete, each as a tuple "
        "of rows,\n"
        "float32 (C, T, F) in dBFS, and a dict with the keys of the rfseg_frame tag; a "
        "frame that\n"
        "is skipped has None for rows.")
        .def(py::init([](double samp_rate,
                         unsigned fft_size,
                         unsigned hop,
                         unsigned segments_per_row,
                         unsigned rows,
                         const std::vector<std::string>& reductions,
                         const std::string& item_type,
                         std::optional<double> center_freq,
                         unsigned infer_every,
                         unsigned row_span,
                         const std::string& extremes) {
                 auto made = std::make_unique<array_framer>(to_shape(samp_rate,
                                                                     fft_size,
                                                                     hop,
                                                                     segments_per_row,
                                                                     rows,
                                                                     reductions,
                                                                     row_span,
                                                                     extremes),
                                                            item_type,
                                                            samp_rate,
                                                            center_freq);
                 made->set_every(infer_every);
                 return made;
             }),
             py::kw_only(),
             py::arg("samp_rate"),
             py::arg("fft_size"),
             py::arg("hop"),
             py::arg("segments_per_row"),
             py::arg("rows"),
             py::arg("reductions"),
             py::arg("item_type") = "complex64",
             py::arg("center_freq") = py::none(),
             py::arg("infer_every") = 1,
             py::arg("row_span") = 0,
             py::arg("extremes") = "all")
        .def("feed",
             &array_framer::feed_array,
             py::arg("samples"),
             "Samples that follow the ones before: complex64 (n,), int16 or int8 (n, 2).")
        .def("cut",
             &array_framer::cut_array,
             py::kw_only(),
             py::arg("samp_rate") = py::none(),
             py::arg("center_freq") = py::none(),
             py::arg("rx_time") = py::none(),
             py::arg("settling") = 0.0,
             "The contiguous run ends before the next sample; what is given holds from "
             "there on,\n"
             "and the receiver settles for `settling` s.")
        .def("end", &array_framer::end_array, "The stream has ended.")
        .def(
            "set_clock",
            [](array_framer& self, const py_time& time) {
                self.set_clock(*to_time(time));
            },
            py::arg("rx_time"),
            "Set the moment of the next sample, (seconds, fraction), without a cut.")
        .def_property_readonly("position", &array_framer::position)
        .def_property_readonly("clock",
                               [](const array_framer& self) -> std::optional<py_time> {
                                   const auto time = self.clock();
                                   if (!time) {
                                       return std::nullopt;
                                   }
                                   return py_time{ time->seconds, time->fraction };
                               });
}
