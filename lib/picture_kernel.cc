/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "spectra.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstring>
#include <gnuradio/rfseg/picture_kernel.h>
#include <limits>
#include <volk/volk.h>

namespace gr {
namespace rfseg {

namespace {

using sample = std::complex<float>;

// rfseg.published: its names, and what they mean.
constexpr std::uint64_t window_size = window_256::size; // samples
constexpr std::uint64_t hop = window_size - 10;         // samples
constexpr int fft_points = 4096;                        // of the padded transform
constexpr int phase_count = fft_points / window_size;   // transforms that make it up
constexpr int dc = fft_points / 2 - 1;                  // its centred index
constexpr int seen_phase = phase_count / 2 + 1; // extremes::segments looks at these bins
constexpr std::size_t tail_size = 64;   // lowest values that the minimum is judged from
constexpr double noise_bandwidth = 1.5; // of a Hann window, bins

//! Where a pixel's value is found: a transform of 256 points, and its bin.
struct source {
    int phase;
    int bin;
};

//! The thing that pixel number `pixel` shows, MATLAB's nearest; rfseg.published.nearest.
std::uint64_t nearest(std::uint64_t available, std::uint64_t wanted, std::uint64_t pixel)
{
    return (2 * pixel + 1) * available / (2 * wanted);
}

source source_of(unsigned pixel, unsigned size)
{
    const int freq = static_cast<int>(nearest(fft_points, size, pixel)) - dc;
    const int wrapped = (freq + fft_points) % fft_points;
    return { wrapped % phase_count, wrapped / phase_count };
}

//! The lowest values of many, as far as they are among the `tail_size` lowest.
class lowest_values
{
public:
    void clear() { d_heap.clear(); }
    void add(const float* values, std::size_t count)
    {
        for (std::size_t i = 0; i < count; i++) {
            if (d_heap.size() < tail_size) {
                d_heap.push_back(values[i]);
                std::push_heap(d_heap.begin(), d_heap.end());
            } else if (values[i] < d_heap.front()) {
                std::pop_heap(d_heap.begin(), d_heap.end());
                d_heap.back() = values[i];
                std::push_heap(d_heap.begin(), d_heap.end());
            }
        }
    }
    /*!
     * Median of the minimum of all values, if the ones added are a `share` of them: noise
     * has exponential powers, so as many lie below a low value as is proportional to it.
     */
    double expected_minimum(double share) const
    {
        return std::log(2.0) * share * d_heap.front() /
               static_cast<double>(d_heap.size());
    }

private:
    std::vector<float> d_heap;
};

} // namespace

struct picture_kernel::engine {
    engine(const spectrogram_shape& shape, sample_type type)
        : loops(best_spectra()),
          scale(shape.picture->scale),
          samples(shape.frame_samples()),
          segments((shape.frame_samples() - (window_size - hop)) / hop),
          levels(std::size_t(shape.rows) * shape.fft_size),
          shown(shape.rows),
          input_scale(type == sample_type::int16 ? 32768.0f : 128.0f),
          floor(std::numeric_limits<double>::epsilon() * noise_bandwidth *
                shape.picture->samp_rate / shape.fft_size)
    {
        const unsigned size = shape.fft_size;
        bool shows[phase_count] = {};
        for (unsigned pixel = 0; pixel < size; pixel++) {
            sources.push_back(source_of(pixel, size));
            shows[sources.back().phase] = true;
            shown[pixel] = nearest(segments, size, pixel);
        }
        for (int phase = 0; phase < phase_count; phase++) {
            if (shows[phase]) {
                shown_phases.push_back(phase);
            }
        }
        make_windows(size);
    }

    //! Windows that turn the spectrum by a phase's bins and make powers dBFS.
    void make_windows(unsigned size)
    {
        std::array<double, window_size> hann;
        double energy = 0;
        for (std::size_t i = 0; i < window_size; i++) {
            hann[i] = 0.5 - 0.5 * std::cos(2 * M_PI * i / (window_size - 1));
            energy += hann[i] * hann[i];
        }
        const double gain = std::sqrt(noise_bandwidth / (energy * size));
        for (int phase = 0; phase < phase_count; phase++) {
            for (std::size_t i = 0; i < window_size; i++) {
                const double angle = 2 * M_PI * phase * i / fft_points;
                windows[phase].re[i] =
                    static_cast<float>(gain * hann[i] * std::cos(angle));
                windows[phase].im[i] =
                    static_cast<float>(-gain * hann[i] * std::sin(angle));
            }
        }
    }

    const float* at(std::uint64_t sample) const
    {
        return reinterpret_cast<const float*>(samples.data() + sample);
    }

    const spectra& loops;
    const extremes scale;
    std::array<window_256, phase_count> windows; // by phase
    turns_256 turns;
    vector_of<sample> samples;        // of the frame, full scale 1
    const std::uint64_t segments;     // in a frame
    std::vector<float> levels;        // powers of the rows
    std::vector<std::uint64_t> shown; // segment by row
    std::vector<source> sources;      // by pixel
    std::vector<int> shown_phases;    // that a pixel shows
    const float input_scale;
    const double floor; // power that every value is raised by

    alignas(64) float min[16], max[16];
    alignas(64) float power[phase_count][window_size];
    lowest_values lowest;
};

picture_kernel::picture_kernel(const spectrogram_shape& shape, sample_type type)
    : frame_kernel(shape, type), d_engine(std::make_unique<engine>(shape, type))
{
    reset();
}

picture_kernel::~picture_kernel() = default;

void picture_kernel::begin_frame(std::uint64_t)
{
    engine& e = *d_engine;
    d_segment = 0;
    d_row = 0;
    std::fill(std::begin(e.min), std::end(e.min), highest_power);
    std::fill(std::begin(e.max), std::end(e.max), lowest_power);
    e.lowest.clear();
}

void picture_kernel::forget_samples() {}

frame_kernel::progress picture_kernel::take(const void* samples, std::size_t count)
{
    engine& e = *d_engine;
    const unsigned row_before = d_row;
    const std::size_t taken =
        std::min<std::uint64_t>(count, d_frame_samples - d_received);
    sample* to = e.samples.data() + d_received;
    float* values = reinterpret_cast<float*>(to);
    const unsigned value_count = static_cast<unsigned>(2 * taken);
    switch (d_type) {
    case sample_type::complex64:
        std::memcpy(values, samples, taken * sizeof(sample));
        for (sample* i = to; i < to + taken; i++) {
            if (!(std::isfinite(i->real()) && std::isfinite(i->imag()))) {
                *i = 0;
                d_non_finite++;
            }
        }
        break;
    case sample_type::int16:
        volk_16i_s32f_convert_32f(values,
                                  static_cast<const std::int16_t*>(samples),
                                  e.input_scale,
                                  value_count);
        break;
    case sample_type::int8:
        volk_8i_s32f_convert_32f(
            values, static_cast<const std::int8_t*>(samples), e.input_scale, value_count);
        break;
    }
    d_received += taken;
    process_segments(d_received);
    if (d_received == d_frame_samples) {
        finish_frame();
        d_complete = true;
    }
    return { taken, d_row - row_before };
}

void picture_kernel::complete_cut()
{
    // Its own samples again and again: silence would become the frame's minimum.
    sample* samples = d_engine->samples.data();
    for (std::uint64_t at = d_received; at < d_frame_samples; at += d_received) {
        std::copy_n(samples, std::min(d_received, d_frame_samples - at), samples + at);
    }
    process_segments(d_frame_samples);
    finish_frame();
}

void picture_kernel::process_segments(std::uint64_t available)
{
    engine& e = *d_engine;
    for (; d_segment < e.segments && d_segment * hop + window_size <= available;
         d_segment++) {
        const float* segment = e.at(d_segment * hop);
        if (e.scale == extremes::all) {
            for (const window_256& window : e.windows) {
                e.loops.extremes_256(segment, window, e.turns, e.min, e.max);
            }
        } else if (e.scale == extremes::segments) {
            float* power = e.power[seen_phase];
            e.loops.power_256(segment, e.windows[seen_phase], e.turns, power);
            e.lowest.add(power, window_size);
            e.max[0] = std::max(e.max[0], *std::max_element(power, power + window_size));
        }
        if (d_row < d_shape.rows && e.shown[d_row] == d_segment) {
            show(segment);
        }
    }
}

void picture_kernel::show(const float* segment)
{
    engine& e = *d_engine;
    const unsigned size = d_shape.fft_size;
    for (const int phase : e.shown_phases) {
        e.loops.power_256(segment, e.windows[phase], e.turns, e.power[phase]);
    }
    float* row = e.levels.data() + d_row * size;
    for (unsigned pixel = 0; pixel < size; pixel++) {
        row[pixel] = e.power[e.sources[pixel].phase][e.sources[pixel].bin];
    }
    if (e.scale == extremes::surviving) {
        e.max[0] = std::max(e.max[0], *std::max_element(row, row + size));
    }
    // A short frame has rows that show the same segment.
    for (d_row++; d_row < d_shape.rows && e.shown[d_row] == d_segment; d_row++) {
        std::copy_n(row, size, e.levels.data() + d_row * size);
    }
}

void picture_kernel::finish_frame()
{
    engine& e = *d_engine;
    const double values = static_cast<double>(e.segments) * fft_points;
    const double size = d_shape.fft_size;
    double low = *std::min_element(std::begin(e.min), std::end(e.min));
    const double high = *std::max_element(std::begin(e.max), std::end(e.max));
    if (e.scale == extremes::segments) {
        low = e.lowest.expected_minimum(e.segments * window_size / values);
    } else if (e.scale == extremes::surviving) {
        e.lowest.add(e.levels.data(), e.levels.size());
        low = e.lowest.expected_minimum(size * size / values);
    }
    const auto decibels = [&e](double power) {
        return static_cast<float>(10 * std::log10(power + e.floor));
    };
    d_limits = { decibels(low), decibels(high) };
    const float floor = static_cast<float>(e.floor);
    for (float& value : e.levels) {
        value += floor;
    }
    e.loops.to_decibels(e.levels.data(), d_rows.data(), d_rows.size());
}

} // namespace rfseg
} // namespace gr
