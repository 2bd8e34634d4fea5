/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <fftw3.h>
#include <gnuradio/fft/fft.h>
#include <gnuradio/rfseg/spectrogram_kernel.h>
#include <mutex>
#include <stdexcept>
#include <volk/volk.h>
#include <volk/volk_alloc.hh>

// One body, compiled for the instruction sets that matter and chosen when the library is
// loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define RFSEG_VECTORISED                                                                 \
    __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define RFSEG_VECTORISED
#endif

namespace gr {
namespace rfseg {

namespace {

// Linear power, full scale = 1; rfseg.spectrogram.POWER_RANGE.
constexpr float lowest_power = 1e-20f;
constexpr float highest_power = 1e20f;

// Samples staged at a time besides a segment's tail: half of a usual 64 KiB share of the
// caches.
constexpr std::size_t staged_samples = 4096;

// Segments summed in float before the sum moves to double: keeps rounding below 1e-5.
constexpr unsigned float_sum_segments = 64;

/*
 * Powers of a spectrum, clamped, added to a sum and to a maximum. In place of a NaN,
 * which only samples too large to transform leave, the highest power counts.
 */
RFSEG_VECTORISED void accumulate(const float* __restrict__ spectrum,
                                 float scale,
                                 float* __restrict__ sum,
                                 float* __restrict__ max,
                                 std::size_t bins)
{
    for (std::size_t i = 0; i < bins; i++) {
        const float re = spectrum[2 * i];
        const float im = spectrum[2 * i + 1];
        float power = (re * re + im * im) * scale;
        power = power < highest_power ? power : highest_power;
        power = power > lowest_power ? power : lowest_power;
        sum[i] += power;
        max[i] = power > max[i] ? power : max[i];
    }
}

/*
 * 10 log10 of powers within the clamping range, to 1e-4 dB: the mantissa, moved to
 * [sqrt(1/2), sqrt(2)), goes through the series of 2 atanh((m - 1) / (m + 1)).
 */
RFSEG_VECTORISED void to_decibels(const float* __restrict__ power,
                                  float* __restrict__ decibels,
                                  std::size_t count)
{
    constexpr float db_per_octave = 3.01029995663981195f; // 10 log10(2)
    constexpr float db_per_neper = 4.34294481903251828f;  // 10 log10(e)
    for (std::size_t i = 0; i < count; i++) {
        std::int32_t bits;
        std::memcpy(&bits, &power[i], sizeof(bits));
        const std::int32_t octave = (bits - 0x3f3504f3) >> 23; // 0x3f3504f3 is sqrt(1/2)
        bits -= octave * (1 << 23);
        float mantissa;
        std::memcpy(&mantissa, &bits, sizeof(mantissa));
        const float s = (mantissa - 1.0f) / (mantissa + 1.0f);
        const float s2 = s * s;
        const float series =
            2.0f * s *
            (1.0f +
             s2 * (1.0f / 3 + s2 * (1.0f / 5 + s2 * (1.0f / 7 + s2 * (1.0f / 9)))));
        decibels[i] = db_per_octave * static_cast<float>(octave) + db_per_neper * series;
    }
}

RFSEG_VECTORISED void
add_to_double(const float* __restrict__ part, double* __restrict__ sum, std::size_t count)
{
    for (std::size_t i = 0; i < count; i++) {
        sum[i] += part[i];
    }
}

} // namespace

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

struct spectrogram_kernel::engine {
    explicit engine(const spectrogram_shape& shape, sample_type type)
        : window(shape.fft_size),
          stage(shape.fft_size +
                std::max<std::size_t>(staged_samples, 2 * shape.fft_size)),
          segment(shape.fft_size),
          input(shape.fft_size),
          spectrum(shape.fft_size),
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
        scale = static_cast<float>(1.0 / (window_sum * window_sum));

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
        std::scoped_lock lock(gr::fft::planner::mutex());
        fftwf_destroy_plan(plan);
    }

    void transform(const float* samples)
    {
        volk_32fc_32f_multiply_32fc(input.data(),
                                    reinterpret_cast<const lv_32fc_t*>(samples),
                                    window.data(),
                                    static_cast<unsigned>(window.size()));
        fftwf_execute(plan);
    }

    const float* spectrum_floats() const
    {
        return reinterpret_cast<const float*>(spectrum.data());
    }

    volk::vector<float> window;
    volk::vector<lv_32fc_t> stage;   // samples not yet needed no more, full scale 1
    volk::vector<lv_32fc_t> segment; // one segment that had to be padded or sanitised
    volk::vector<lv_32fc_t> input;   // of the FFT
    volk::vector<lv_32fc_t> spectrum;
    volk::vector<float> sum, max, first, mean;
    volk::vector<double> long_sum;
    const float input_scale;
    float scale; // of powers: 1 / (sum of the window)^2
    fftwf_plan plan;
};

spectrogram_kernel::spectrogram_kernel(const spectrogram_shape& shape, sample_type type)
    : d_shape((shape.validate(), shape)),
      d_type(type),
      d_frame_samples(shape.frame_samples()),
      d_segments(std::uint64_t(shape.rows) * shape.segments_per_row),
      d_engine(std::make_unique<engine>(shape, type)),
      d_rows(shape.rows * shape.row_size())
{
    reset();
}

spectrogram_kernel::~spectrogram_kernel() = default;

std::uint64_t spectrogram_kernel::valid_samples() const
{
    return std::min(d_received, d_frame_samples);
}

void spectrogram_kernel::swap_rows(std::vector<float>& other)
{
    other.resize(d_shape.rows * d_shape.row_size());
    d_rows.swap(other);
}

void spectrogram_kernel::reset()
{
    d_origin = 0;
    d_received = 0;
    d_run_finished = false;
    clear_frame();
}

void spectrogram_kernel::clear_frame()
{
    d_segment = 0;
    d_row_segments = 0;
    d_row = 0;
    d_counted = 0;
    d_non_finite = 0;
    d_complete = false;
    std::fill(d_engine->sum.begin(), d_engine->sum.end(), 0.0f);
    std::fill(d_engine->max.begin(), d_engine->max.end(), 0.0f);
    std::fill(d_engine->long_sum.begin(), d_engine->long_sum.end(), 0.0);
}

void spectrogram_kernel::next_frame()
{
    const std::uint64_t ahead = samples_ahead();
    if (d_run_finished && ahead == 0) {
        reset();
        return;
    }
    d_origin -= static_cast<std::int64_t>(valid_samples());
    d_received = ahead;
    clear_frame();
    if (d_run_finished) {
        finish_run();
    }
}

const float* spectrogram_kernel::staged(std::uint64_t sample) const
{
    return reinterpret_cast<const float*>(d_engine->stage.data() +
                                          (static_cast<std::int64_t>(sample) - d_origin));
}

void spectrogram_kernel::compact()
{
    // A segment still to come, also one that is moved back, reads at most the last
    // fft_size.
    const std::int64_t received = static_cast<std::int64_t>(d_received);
    const std::int64_t keep =
        std::max(d_origin, received - std::int64_t(d_shape.fft_size));
    lv_32fc_t* stage = d_engine->stage.data();
    std::memmove(stage, stage + (keep - d_origin), (received - keep) * sizeof(lv_32fc_t));
    d_origin = keep;
}

void spectrogram_kernel::convert(const void* samples, std::size_t count)
{
    lv_32fc_t* to =
        d_engine->stage.data() + (static_cast<std::int64_t>(d_received) - d_origin);
    float* floats = reinterpret_cast<float*>(to);
    const unsigned values = static_cast<unsigned>(2 * count);
    switch (d_type) {
    case sample_type::complex64:
        std::memcpy(floats, samples, count * sizeof(lv_32fc_t));
        break;
    case sample_type::int16:
        volk_16i_s32f_convert_32f(floats,
                                  static_cast<const std::int16_t*>(samples),
                                  d_engine->input_scale,
                                  values);
        break;
    case sample_type::int8:
        volk_8i_s32f_convert_32f(floats,
                                 static_cast<const std::int8_t*>(samples),
                                 d_engine->input_scale,
                                 values);
        break;
    }
}

spectrogram_kernel::progress spectrogram_kernel::feed(const void* samples,
                                                      std::size_t count)
{
    const char* from = static_cast<const char*>(samples);
    const std::size_t item = sample_size(d_type);
    progress done{ 0, 0 };
    while (done.consumed < count && !d_complete && !d_run_finished) {
        std::size_t room = d_engine->stage.size() - (std::int64_t(d_received) - d_origin);
        if (room == 0) {
            compact();
            room = d_engine->stage.size() - (std::int64_t(d_received) - d_origin);
        }
        const std::uint64_t wanted = d_frame_samples + d_shape.overhang() - d_received;
        const std::size_t taken =
            std::min<std::uint64_t>({ count - done.consumed, room, wanted });
        convert(from + done.consumed * item, taken);
        done.consumed += taken;
        d_received += taken;

        std::uint64_t start = d_segment * d_shape.hop;
        while (d_segment < d_segments && start + d_shape.fft_size <= d_received) {
            process_segment(staged(start), start);
            start += d_shape.hop;
            if (d_row_segments == d_shape.segments_per_row) {
                done.produced += close_row();
            }
        }
        d_complete = d_segment == d_segments;
    }
    return done;
}

void spectrogram_kernel::finish_run()
{
    d_run_finished = d_received > 0;
    if (d_complete || !d_run_finished) {
        return;
    }
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
        if (d_row_segments == d_shape.segments_per_row) {
            close_row();
        }
    }
    if (d_row_segments > 0) {
        close_row();
    }
    // The valid rows again, backwards, forwards and so on: a network sees more of the same.
    const std::size_t row_size = d_shape.row_size();
    const unsigned last = d_row - 1;
    for (; d_row < d_shape.rows; d_row++) {
        const unsigned turn = d_row % (2 * last + 2);
        const unsigned mirrored = std::min(turn, 2 * last + 1 - turn);
        std::copy_n(d_rows.begin() + mirrored * row_size,
                    row_size,
                    d_rows.begin() + d_row * row_size);
    }
    d_complete = true;
}

void spectrogram_kernel::process_segment(const float* segment, std::uint64_t start)
{
    engine& e = *d_engine;
    e.transform(segment);
    // Every sample is a term of bin 0, so one that is not finite shows there.
    if (d_type == sample_type::complex64 &&
        !(std::isfinite(e.spectrum[0].real()) && std::isfinite(e.spectrum[0].imag()))) {
        sanitise(segment, start);
    }
    accumulate(
        e.spectrum_floats(), e.scale, e.sum.data(), e.max.data(), d_shape.fft_size);
    d_segment++;
    d_row_segments++;
    if (d_row_segments == 1) {
        e.first = e.max; // equal sizes: no allocation
    }
    if (d_row_segments % float_sum_segments == 0 && !e.long_sum.empty()) {
        add_to_double(e.sum.data(), e.long_sum.data(), d_shape.fft_size);
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
        e.segment[i] = finite ? lv_32fc_t(re, im) : lv_32fc_t(0);
        const std::uint64_t sample = start + i;
        d_non_finite += !finite && sample >= d_counted && sample < d_frame_samples;
    }
    d_counted = std::max(d_counted, start + d_shape.fft_size);
    e.transform(reinterpret_cast<const float*>(e.segment.data()));
}

std::size_t spectrogram_kernel::close_row()
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
        to_decibels(power + half, row, bins - half); // negative frequencies come first
        to_decibels(power, row + half, half);
    }
    std::fill(e.sum.begin(), e.sum.end(), 0.0f);
    std::fill(e.max.begin(), e.max.end(), 0.0f);
    std::fill(e.long_sum.begin(), e.long_sum.end(), 0.0);
    d_row_segments = 0;
    d_row++;
    return 1;
}

} // namespace rfseg
} // namespace gr
