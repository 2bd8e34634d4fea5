/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "spectra.h"
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <fftw3.h>
#include <functional>
#include <gnuradio/fft/fft.h>
#include <gnuradio/rfseg/spectrogram_kernel.h>
#include <mutex>
#include <stdexcept>
#include <string>
#include <volk/volk.h>

namespace gr {
namespace rfseg {

namespace {

using sample = std::complex<float>;

// Samples staged at a time besides a segment's tail: they stay in the nearest cache.
constexpr std::size_t staged_samples = 2048;

// Segments summed in float before the sum moves to double: keeps rounding below 1e-5.
constexpr unsigned float_sum_segments = 64;

const float* floats(const sample* samples)
{
    return reinterpret_cast<const float*>(samples);
}

} // namespace

struct spectrogram_kernel::engine {
    explicit engine(const spectrogram_shape& shape, sample_type type)
        : loops(best_spectra()),
          checks(type == sample_type::complex64),
          keeps_first(std::count(shape.reductions.begin(),
                                 shape.reductions.end(),
                                 reduction::first) > 0),
          window(shape.fft_size),
          staging(shape.fft_size +
                  std::max<std::size_t>(staged_samples, 2 * shape.fft_size)),
          segment(shape.fft_size),
          sum(shape.fft_size),
          max(shape.fft_size),
          first(shape.fft_size),
          mean(shape.fft_size),
          long_sum(shape.segments_per_row > float_sum_segments ? shape.fft_size : 0),
          input_scale(type == sample_type::int16 ? 32768.0f : 128.0f)
    {
        const unsigned size = shape.fft_size;
        double window_sum = 0;
        for (unsigned i = 0; i < size; i++) {
            window[i] = static_cast<float>(0.5 - 0.5 * std::cos(2 * M_PI * i / size));
            window_sum += window[i];
        }
        for (float& value : window) { // so that powers are re full scale
            value = static_cast<float>(value / window_sum);
        }
        if (size == window_256::size) {
            std::copy(window.begin(), window.end(), window_256_points.re);
            return;
        }
        input.resize(size);
        spectrum.resize(size);

        // FFTW plans one at a time in a process; an estimated plan makes equal runs
        // equal.
        std::scoped_lock lock(gr::fft::planner::mutex());
        plan = fftwf_plan_dft_1d(size,
                                 reinterpret_cast<fftwf_complex*>(input.data()),
                                 reinterpret_cast<fftwf_complex*>(spectrum.data()),
                                 FFTW_FORWARD,
                                 FFTW_ESTIMATE);
        if (!plan) {
            throw std::runtime_error("FFTW has no plan for fft_size=" +
                                     std::to_string(size));
        }
    }

    ~engine()
    {
        if (plan) {
            std::scoped_lock lock(gr::fft::planner::mutex());
            fftwf_destroy_plan(plan);
        }
    }

    //! Add a segment's powers. With `check`, a sample that is not finite keeps them out.
    bool add(const float* samples, bool check)
    {
        if (!plan) {
            return loops.accumulate_256(
                samples, window_256_points, turns, check, sum.data(), max.data());
        }
        loops.apply_window(samples,
                           window.data(),
                           reinterpret_cast<float*>(input.data()),
                           window.size());
        fftwf_execute(plan);
        // Every sample is a term of bin 0, so one that is not finite shows there.
        if (check &&
            !(std::isfinite(spectrum[0].real()) && std::isfinite(spectrum[0].imag()))) {
            return false;
        }
        loops.accumulate(
            floats(spectrum.data()), sum.data(), max.data(), spectrum.size());
        return true;
    }

    const spectra& loops;
    const bool checks;      // samples may be not finite
    const bool keeps_first; // the first segment's powers are wanted
    vector_of<float> window;
    vector_of<sample> staging; // samples that are still needed, full scale 1
    vector_of<sample> segment; // one segment that had to be padded or sanitised
    vector_of<float> sum, max, first, mean;
    vector_of<double> long_sum;
    const float input_scale;

    window_256 window_256_points; // for 256 points
    turns_256 turns;
    vector_of<sample> input, spectrum; // for other sizes
    fftwf_plan plan = nullptr;
};

spectrogram_kernel::spectrogram_kernel(const spectrogram_shape& shape, sample_type type)
    : frame_kernel(shape, type),
      d_segments(std::uint64_t(shape.rows) * shape.segments_per_row),
      d_engine(std::make_unique<engine>(shape, type)),
      d_origin(0)
{
    reset();
}

spectrogram_kernel::~spectrogram_kernel() = default;

void spectrogram_kernel::begin_frame(std::uint64_t step)
{
    d_origin -= static_cast<std::int64_t>(step);
    d_segment = 0;
    d_row = 0;
    d_counted = 0;
    clear_sums();
}

void spectrogram_kernel::forget_samples()
{
    d_origin = static_cast<std::int64_t>(d_received);
}

void spectrogram_kernel::clear_sums()
{
    engine& e = *d_engine;
    std::fill(e.sum.begin(), e.sum.end(), 0.0f);
    std::fill(e.max.begin(), e.max.end(), 0.0f);
    std::fill(e.long_sum.begin(), e.long_sum.end(), 0.0);
    d_row_segments = 0;
}

const float* spectrogram_kernel::staged(std::uint64_t sample) const
{
    return floats(d_engine->staging.data() +
                  (static_cast<std::int64_t>(sample) - d_origin));
}

std::size_t spectrogram_kernel::room() const
{
    return d_engine->staging.size() -
           static_cast<std::size_t>(static_cast<std::int64_t>(d_received) - d_origin);
}

void spectrogram_kernel::compact()
{
    // A segment still to come, also one that is moved back, reads at most the last
    // fft_size.
    const std::int64_t received = static_cast<std::int64_t>(d_received);
    const std::int64_t keep =
        std::max(d_origin, received - std::int64_t(d_shape.fft_size));
    sample* staging = d_engine->staging.data();
    std::memmove(static_cast<void*>(staging),
                 staging + (keep - d_origin),
                 (received - keep) * sizeof(sample));
    d_origin = keep;
}

void spectrogram_kernel::stage(const void* samples, std::size_t count)
{
    sample* to =
        d_engine->staging.data() + (static_cast<std::int64_t>(d_received) - d_origin);
    float* values = reinterpret_cast<float*>(to);
    const unsigned value_count = static_cast<unsigned>(2 * count);
    switch (d_type) {
    case sample_type::complex64:
        std::memcpy(values, samples, count * sizeof(sample));
        break;
    case sample_type::int16:
        volk_16i_s32f_convert_32f(values,
                                  static_cast<const std::int16_t*>(samples),
                                  d_engine->input_scale,
                                  value_count);
        break;
    case sample_type::int8:
        volk_8i_s32f_convert_32f(values,
                                 static_cast<const std::int8_t*>(samples),
                                 d_engine->input_scale,
                                 value_count);
        break;
    }
    d_received += count;
}

frame_kernel::progress spectrogram_kernel::take(const void* samples, std::size_t count)
{
    const unsigned row_before = d_row;
    const std::size_t wanted =
        std::min<std::uint64_t>(count, d_frame_samples + d_shape.overhang() - d_received);
    if (d_type == sample_type::complex64) {
        take_in_place(static_cast<const float*>(samples), wanted);
    } else {
        take_converted(samples, wanted);
    }
    d_complete = d_segment == d_segments;
    return { wanted, d_row - row_before };
}

void spectrogram_kernel::take_converted(const void* samples, std::size_t count)
{
    const char* from = static_cast<const char*>(samples);
    do {
        if (room() == 0) {
            compact();
        }
        const std::size_t step = std::min(count, room());
        stage(from, step);
        from += step * sample_size(d_type);
        count -= step;
        process_staged(d_received);
    } while (count > 0);
}

void spectrogram_kernel::take_in_place(const float* samples, std::size_t count)
{
    // Segments that begin among the samples staged need up to one segment more; those
    // after them are read where they are, and their tail is staged for the next call.
    const std::uint64_t begin = d_received;
    const std::size_t size = d_shape.fft_size;
    const std::size_t head = std::min(count, size);
    if (room() < head) {
        compact();
    }
    stage(samples, head);
    if (head == count) {
        process_staged(d_received);
        return;
    }
    process_staged(begin);
    const std::uint64_t end = begin + count;
    for (std::uint64_t start = d_segment * d_shape.hop;
         d_segment < d_segments && start + size <= end;
         start += d_shape.hop) {
        process_segment(samples + 2 * (start - begin), start);
    }
    d_received = end - size;
    forget_samples();
    stage(samples + 2 * (count - size), size);
}

//! The segments that begin before that sample and have all of theirs.
void spectrogram_kernel::process_staged(std::uint64_t before)
{
    for (std::uint64_t start = d_segment * d_shape.hop;
         d_segment < d_segments && start < before &&
         start + d_shape.fft_size <= d_received;
         start += d_shape.hop) {
        process_segment(staged(start), start);
    }
}

void spectrogram_kernel::complete_cut()
{
    const std::uint64_t valid = valid_samples();
    const unsigned size = d_shape.fft_size;
    while (d_segment * d_shape.hop < valid) {
        if (d_received < size) {
            const float* from = staged(0);
            float* to = reinterpret_cast<float*>(d_engine->segment.data());
            std::fill(std::copy(from, from + 2 * d_received, to), to + 2 * size, 0.0f);
            process_segment(to, 0);
        } else {
            const std::uint64_t start =
                std::min<std::uint64_t>(d_segment * d_shape.hop, d_received - size);
            process_segment(staged(start), start);
        }
    }
    if (d_row_segments > 0) {
        close_row();
    }
    // The valid rows again, backwards, forwards and so on: a network sees more of the
    // same.
    const std::size_t row_size = d_shape.row_size();
    const unsigned last = d_row - 1;
    for (; d_row < d_shape.rows; d_row++) {
        const unsigned turn = d_row % (2 * last + 2);
        const unsigned mirrored = std::min(turn, 2 * last + 1 - turn);
        std::copy_n(d_rows.begin() + mirrored * row_size,
                    row_size,
                    d_rows.begin() + d_row * row_size);
    }
}

void spectrogram_kernel::process_segment(const float* samples, std::uint64_t start)
{
    engine& e = *d_engine;
    if (!e.add(samples, e.checks)) {
        sanitise(samples, start);
    }
    d_segment++;
    d_row_segments++;
    if (e.keeps_first && d_row_segments == 1) {
        e.first = e.max; // equal sizes: no allocation
    }
    if (d_row_segments == d_shape.segments_per_row) {
        close_row();
    } else if (d_row_segments % float_sum_segments == 0 && !e.long_sum.empty()) {
        std::transform(e.sum.begin(),
                       e.sum.end(),
                       e.long_sum.begin(),
                       e.long_sum.begin(),
                       std::plus<double>());
        std::fill(e.sum.begin(), e.sum.end(), 0.0f);
    }
}

void spectrogram_kernel::sanitise(const float* segment, std::uint64_t start)
{
    engine& e = *d_engine;
    for (unsigned i = 0; i < d_shape.fft_size; i++) {
        const float re = segment[2 * i];
        const float im = segment[2 * i + 1];
        const bool finite = std::isfinite(re) && std::isfinite(im);
        e.segment[i] = finite ? sample(re, im) : sample(0);
        const std::uint64_t number = start + i;
        d_non_finite += !finite && number >= d_counted && number < d_frame_samples;
    }
    d_counted = std::max(d_counted, start + d_shape.fft_size);
    e.add(floats(e.segment.data()), false);
}

void spectrogram_kernel::close_row()
{
    engine& e = *d_engine;
    const unsigned bins = d_shape.fft_size;
    const unsigned half = bins / 2;
    float* row = d_rows.data() + d_row * d_shape.row_size();
    for (std::size_t channel = 0; channel < d_shape.channels(); channel++, row += bins) {
        const reduction kept = d_shape.reductions[channel];
        if (d_row_segments == 1 &&
            channel > 0) { // every reduction of one segment is itself
            std::copy(row - bins, row, row);
            continue;
        }
        const float* power = e.max.data();
        if (kept == reduction::first) {
            power = e.first.data();
        } else if (kept == reduction::mean) {
            const double factor = 1.0 / d_row_segments;
            for (unsigned i = 0; i < bins; i++) {
                const double sum =
                    e.long_sum.empty() ? e.sum[i] : e.long_sum[i] + e.sum[i];
                e.mean[i] = static_cast<float>(sum * factor);
            }
            power = e.mean.data();
        }
        // Negative frequencies come first.
        e.loops.to_decibels(power + half, row, bins - half);
        e.loops.to_decibels(power, row + half, half);
    }
    clear_sums();
    d_row++;
}

} // namespace rfseg
} // namespace gr
