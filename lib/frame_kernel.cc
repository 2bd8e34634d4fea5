/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "spectra.h"
#include <algorithm>
#include <complex>
#include <gnuradio/rfseg/frame_kernel.h>
#include <gnuradio/rfseg/picture_kernel.h>
#include <gnuradio/rfseg/spectrogram_kernel.h>
#include <stdexcept>

namespace gr {
namespace rfseg {

reduction to_reduction(const std::string& name)
{
    if (name == "mean") {
        return reduction::mean;
    }
    if (name == "max") {
        return reduction::max;
    }
    if (name == "first") {
        return reduction::first;
    }
    throw std::invalid_argument("reduction \"" + name +
                                "\" is not known; choose mean, max or first");
}

sample_type to_sample_type(const std::string& name)
{
    if (name == "complex64") {
        return sample_type::complex64;
    }
    if (name == "int16") {
        return sample_type::int16;
    }
    if (name == "int8") {
        return sample_type::int8;
    }
    throw std::invalid_argument("item_type \"" + name +
                                "\" is not known; choose complex64, int16 or int8");
}

extremes to_extremes(const std::string& name)
{
    if (name == "all") {
        return extremes::all;
    }
    if (name == "segments") {
        return extremes::segments;
    }
    if (name == "surviving") {
        return extremes::surviving;
    }
    throw std::invalid_argument("extremes \"" + name +
                                "\" are not known; choose all, segments or surviving");
}

std::size_t sample_size(sample_type type)
{
    switch (type) {
    case sample_type::int16:
        return 2 * sizeof(std::int16_t);
    case sample_type::int8:
        return 2 * sizeof(std::int8_t);
    default:
        return sizeof(std::complex<float>);
    }
}

namespace {

template <typename refuser>
void check_picture(const spectrogram_shape& shape, refuser refuse)
{
    const unsigned size = shape.fft_size;
    if (size < 16 || size > 4096 || (size & (size - 1))) {
        refuse("fft_size=" + std::to_string(size) +
               " is no size of a picture; give a power of two from 16 to 4096");
    }
    if (shape.rows != size || shape.reductions != std::vector{ reduction::first }) {
        refuse("a picture has as many rows as bins, and the reduction first alone; give"
               " rows=" +
               std::to_string(size) + " and reductions [first]");
    }
    if (shape.frame_samples() < window_256::size ||
        shape.frame_samples() > std::uint64_t(1) << 28) {
        refuse("row_span=" + std::to_string(shape.picture->row_span) +
               " makes frames of " + std::to_string(shape.frame_samples()) +
               " samples; choose a span that makes 256 to 2^28 of them");
    }
}

} // namespace

void spectrogram_shape::validate() const
{
    const auto refuse = [](const std::string& text) {
        throw std::invalid_argument(text);
    };
    const std::pair<const char*, unsigned> sizes[] = { { "fft_size", fft_size },
                                                       { "hop", hop },
                                                       { "segments_per_row",
                                                         segments_per_row },
                                                       { "rows", rows } };
    for (const auto& [name, value] : sizes) {
        if (value < 1) {
            refuse(std::string(name) + "=" + std::to_string(value) +
                   " must be at least 1");
        }
    }
    if (fft_size % 2) {
        refuse("fft_size=" + std::to_string(fft_size) +
               " is odd; DC needs an even number of bins");
    }
    if (picture) {
        check_picture(*this, refuse);
    }
    if (hop > fft_size) {
        refuse("hop=" + std::to_string(hop) +
               " exceeds fft_size=" + std::to_string(fft_size) +
               ": samples between segments would be skipped; choose a hop of at most "
               "fft_size");
    }
    if (reductions.empty()) {
        refuse("reductions is empty; name at least one of mean, max, first");
    }
    constexpr std::uint64_t most_values = std::uint64_t(1) << 28; // 1 GiB of float
    if (std::uint64_t(fft_size) * rows > most_values / channels()) {
        refuse("rows=" + std::to_string(rows) +
               " of fft_size=" + std::to_string(fft_size) +
               " bins make a frame of more than 1 GiB; choose fewer rows");
    }
}

std::unique_ptr<frame_kernel> frame_kernel::make(const spectrogram_shape& shape,
                                                 sample_type type)
{
    if (shape.picture) {
        return std::make_unique<picture_kernel>(shape, type);
    }
    return std::make_unique<spectrogram_kernel>(shape, type);
}

frame_kernel::frame_kernel(const spectrogram_shape& shape, sample_type type)
    : d_shape((shape.validate(), shape)),
      d_type(type),
      d_frame_samples(shape.frame_samples()),
      d_rows(shape.rows * shape.row_size()),
      d_received(0),
      d_non_finite(0),
      d_complete(false),
      d_run_finished(false),
      d_skipping(false)
{
}

frame_kernel::~frame_kernel() = default;

std::uint64_t frame_kernel::valid_samples() const
{
    return std::min(d_received, d_frame_samples);
}

void frame_kernel::swap_rows(std::vector<float>& other)
{
    other.resize(d_shape.rows * d_shape.row_size());
    d_rows.swap(other);
}

frame_kernel::progress frame_kernel::feed(const void* samples, std::size_t count)
{
    if (count == 0 || d_complete || d_run_finished) {
        return { 0, 0 };
    }
    if (!d_skipping) {
        return take(samples, count);
    }
    const std::size_t taken =
        std::min<std::uint64_t>(count, d_frame_samples - d_received);
    d_received += taken;
    d_complete = d_received == d_frame_samples;
    forget_samples();
    return { taken, 0 };
}

void frame_kernel::finish_run()
{
    d_run_finished = d_received > 0;
    if (d_complete || !d_run_finished) {
        return;
    }
    if (!d_skipping) {
        complete_cut();
    }
    d_complete = true;
}

void frame_kernel::next_frame(bool skip)
{
    const std::uint64_t ahead = samples_ahead();
    if (d_run_finished && ahead == 0) {
        reset();
        d_skipping = skip;
        return;
    }
    const std::uint64_t step = valid_samples();
    d_received = ahead;
    d_non_finite = 0;
    d_limits.reset();
    d_skipping = skip;
    begin_frame(step);
    d_complete = skip && d_received >= d_frame_samples;
    if (d_run_finished) {
        finish_run();
    }
}

void frame_kernel::reset()
{
    d_received = 0;
    d_non_finite = 0;
    d_limits.reset();
    d_complete = false;
    d_run_finished = false;
    d_skipping = false;
    begin_frame(0);
    forget_samples();
}

} // namespace rfseg
} // namespace gr
