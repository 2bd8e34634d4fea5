/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <gnuradio/rfseg/framer.h>
#include <gnuradio/rfseg/keys.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <string>
#include <vector>

//! Rows as frame_rows() of rfseg.spectrogram has them: float32 (C, T, F), a copy.
inline pybind11::array_t<float> to_array(const std::vector<float>& rows,
                                         const gr::rfseg::spectrogram_shape& shape)
{
    const std::size_t channels = shape.channels();
    const std::size_t bins = shape.fft_size;
    pybind11::array_t<float> array({ channels, std::size_t(shape.rows), bins });
    float* to = array.mutable_data();
    for (std::size_t channel = 0; channel < channels; channel++) {
        for (std::size_t row = 0; row < shape.rows; row++) {
            const float* from = rows.data() + (row * channels + channel) * bins;
            to = std::copy(from, from + bins, to);
        }
    }
    return array;
}

//! A shape as Python gives it; `row_span` above 0 makes it a published picture's.
inline gr::rfseg::spectrogram_shape to_shape(double samp_rate,
                                             unsigned fft_size,
                                             unsigned hop,
                                             unsigned segments_per_row,
                                             unsigned rows,
                                             const std::vector<std::string>& reductions,
                                             unsigned row_span,
                                             const std::string& extremes)
{
    gr::rfseg::spectrogram_shape shape{ fft_size, hop, segments_per_row, rows, {}, {} };
    for (const std::string& name : reductions) {
        shape.reductions.push_back(gr::rfseg::to_reduction(name));
    }
    if (row_span > 0) {
        shape.picture = { row_span, gr::rfseg::to_extremes(extremes), samp_rate };
    }
    return shape;
}

//! The rfseg_frame tag as a Python dict; what is not known is None.
inline pybind11::dict to_dict(const gr::rfseg::frame_info& info)
{
    namespace keys = gr::rfseg::keys;
    pybind11::dict dict;
    dict[keys::index] = info.index;
    dict[keys::sample_start] = info.sample_start;
    dict[keys::sample_count] = info.sample_count;
    dict[keys::valid_samples] = info.valid_samples;
    dict[keys::non_finite] = info.non_finite;
    dict[keys::samp_rate] = info.samp_rate;
    dict[keys::center_freq] = info.center_freq;
    dict[keys::rx_time] = pybind11::none();
    if (info.time) {
        dict[keys::rx_time] =
            pybind11::make_tuple(info.time->seconds, info.time->fraction);
    }
    dict[keys::settling] = info.settling;
    dict[keys::skipped] = info.skipped;
    dict[keys::limits] = pybind11::none();
    if (info.limits) {
        dict[keys::limits] = pybind11::make_tuple((*info.limits)[0], (*info.limits)[1]);
    }
    dict[keys::last] = info.last;
    return dict;
}
