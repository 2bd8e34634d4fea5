/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#define BOOST_TEST_MODULE spectrogram_kernel
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <complex>
#include <gnuradio/rfseg/spectrogram_kernel.h>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace gr::rfseg;
using iq = std::vector<std::complex<float>>;

namespace {

constexpr float float_db = 1e-3f;  // dB, rounding of a float FFT on a strong bin
constexpr float floor_db = -120.f; // dBFS, where a float FFT's rounding errors end
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr float inf_value = std::numeric_limits<float>::infinity();

const spectrogram_shape small{ 64, 30, 3, 8, { reduction::mean, reduction::max } };

//! All frames of a run that ends with the samples, and how many samples of each were not
//! finite.
struct result {
    std::vector<std::vector<float>> frames;
    std::vector<std::uint64_t> valid;
    std::vector<std::uint64_t> non_finite;
};

//! Feeds pieces whose sizes `piece` chooses.
template <typename sample, typename choose>
result run_split(const spectrogram_shape& shape,
                 sample_type type,
                 const std::vector<sample>& samples,
                 choose piece)
{
    spectrogram_kernel kernel(shape, type);
    result all;
    const auto collect = [&] {
        while (kernel.frame_complete()) {
            all.frames.push_back(kernel.rows());
            all.valid.push_back(kernel.valid_samples());
            all.non_finite.push_back(kernel.non_finite());
            kernel.next_frame();
        }
    };
    const std::size_t values = sample_size(type) / sizeof(sample);
    const std::size_t total = samples.size() / values;
    for (std::size_t at = 0; at < total;) {
        std::size_t count = std::min<std::size_t>(piece(), total - at);
        while (count > 0) {
            const std::size_t taken =
                kernel.feed(samples.data() + at * values, count).consumed;
            BOOST_REQUIRE(taken > 0);
            at += taken;
            count -= taken;
            collect();
        }
    }
    kernel.finish_run();
    collect();
    BOOST_TEST(kernel.empty());
    return all;
}

template <typename sample>
result
run(const spectrogram_shape& shape, sample_type type, const std::vector<sample>& samples)
{
    return run_split(shape, type, samples, [&] { return samples.size(); });
}

result run(const spectrogram_shape& shape, const iq& samples)
{
    return run(shape, sample_type::complex64, samples);
}

iq noise(std::size_t count)
{
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.1f);
    iq samples(count);
    std::generate(samples.begin(), samples.end(), [&] {
        return std::complex<float>(normal(random), normal(random));
    });
    return samples;
}

double hann(unsigned i, unsigned size)
{
    return 0.5 - 0.5 * std::cos(2 * M_PI * i / size);
}

void check_same(const std::vector<float>& got, const std::vector<float>& expected)
{
    BOOST_TEST(got == expected, boost::test_tools::per_element());
}

const float* row_of(const std::vector<float>& frame,
                    const spectrogram_shape& shape,
                    unsigned row,
                    unsigned channel = 0)
{
    return frame.data() + row * shape.row_size() + channel * shape.fft_size;
}

} // namespace

// Sum of a periodic hann window of F samples: F / 2. An impulse of amplitude a at window
// value w has the power (a w)^2 in every bin.
BOOST_AUTO_TEST_CASE(an_impulse_is_flat)
{
    const spectrogram_shape shape{ 64, 64, 1, 1, { reduction::mean } };
    iq samples(64);
    samples[20] = { 0.3f, -0.4f };
    const result got = run(shape, samples);
    const double expected = 20 * std::log10(0.5 * hann(20, 64) / 32);
    for (unsigned bin = 0; bin < 64; bin++) {
        BOOST_TEST(std::abs(got.frames[0][bin] - expected) < float_db);
    }
}

// The transform of a hann window is 1 at its centre, 1/2 beside it (-6.02 dB), 0
// elsewhere.
BOOST_AUTO_TEST_CASE(dc_of_amplitude_one_is_0_dbfs_in_the_middle_bin)
{
    const result got = run(small, iq(small.frame_samples() + small.overhang(), 1.0f));
    for (unsigned row = 0; row < small.rows; row++) {
        for (unsigned channel = 0; channel < 2; channel++) {
            const float* bins = row_of(got.frames[0], small, row, channel);
            BOOST_TEST(std::abs(bins[32]) < float_db);
            BOOST_TEST(std::abs(bins[31] + 6.0206f) < float_db);
            BOOST_TEST(std::abs(bins[33] + 6.0206f) < float_db);
            BOOST_TEST(*std::max_element(bins, bins + 30) < floor_db);
            BOOST_TEST(*std::max_element(bins + 35, bins + 64) < floor_db);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_tone_is_0_dbfs_in_its_bin_for_every_size)
{
    for (const unsigned size : { 64u, 80u, 104u, 256u, 512u }) {
        const spectrogram_shape shape{ size, size / 2 - 3, 2, 4, { reduction::mean } };
        for (const int cycles : { -int(size) / 2, -5, 1, int(size) / 2 - 1 }) {
            iq samples(shape.frame_samples());
            for (std::size_t n = 0; n < samples.size(); n++) {
                samples[n] = std::polar(1.0, 2 * M_PI * cycles * double(n) / size);
            }
            const result got = run(shape, samples);
            const unsigned bin = unsigned(cycles + int(size) / 2);
            for (unsigned row = 0; row < shape.rows; row++) {
                const float* bins = row_of(got.frames[0], shape, row);
                BOOST_TEST(std::max_element(bins, bins + size) - bins == bin);
                BOOST_TEST(std::abs(bins[bin]) < float_db);
            }
        }
    }
}

// Parseval: the powers of a segment sum to F sum |w x|^2 / (sum w)^2.
BOOST_AUTO_TEST_CASE(the_power_of_a_segment_is_kept)
{
    const spectrogram_shape shape{ 256, 256, 1, 1, { reduction::mean } };
    const iq samples = noise(256);
    double expected = 0;
    for (unsigned i = 0; i < 256; i++) {
        expected +=
            std::norm(std::complex<double>(samples[i])) * std::pow(hann(i, 256), 2);
    }
    expected *= 256 / (128.0 * 128.0);
    double sum = 0;
    const result got = run(shape, samples);
    for (const float db : got.frames[0]) {
        sum += std::pow(10.0, db / 10.0);
    }
    BOOST_TEST(sum == expected, boost::test_tools::tolerance(1e-4));
}

// One power after the other through the whole range, against the library's logarithm.
BOOST_AUTO_TEST_CASE(decibels_are_right_over_the_whole_range)
{
    const spectrogram_shape shape{ 2, 2, 1, 4000, { reduction::mean } };
    iq samples(shape.frame_samples());
    std::vector<double> expected;
    for (unsigned row = 0; row < shape.rows; row++) {
        const float amplitude = std::pow(10.0f, -10.5f + row * 21.0f / shape.rows);
        samples[2 * row + 1] = amplitude; // window {0, 1}, its sum 1
        expected.push_back(std::clamp(20 * std::log10(double(amplitude)), -200.0, 200.0));
    }
    const result got = run(shape, samples);
    for (unsigned row = 0; row < shape.rows; row++) {
        BOOST_TEST(std::abs(got.frames[0][2 * row] - expected[row]) < float_db);
    }
}

BOOST_AUTO_TEST_CASE(power_stays_within_200_db)
{
    const spectrogram_shape shape{ 64, 32, 2, 2, { reduction::mean, reduction::max } };
    const result silent = run(shape, iq(128, 0.0f));
    for (const float level : silent.frames[0]) {
        BOOST_TEST(std::abs(level + 200) < float_db);
    }
    iq huge(128);
    huge[40] = 1e19f; // its square overflows no float, ten times it would
    huge[90] = 3e38f;
    const result loud = run(shape, huge);
    for (const float level : loud.frames[0]) {
        BOOST_TEST(std::abs(level - 200) < float_db);
    }
}

BOOST_AUTO_TEST_CASE(mean_max_and_first_reduce_the_same_segments)
{
    const spectrogram_shape shape{
        16, 16, 4, 1, { reduction::first, reduction::max, reduction::mean }
    };
    iq samples(64); // DC of amplitudes 0.5, 1, 0, 0 in the row's four segments
    std::fill_n(samples.begin(), 16, 0.5f);
    std::fill_n(samples.begin() + 16, 16, 1.0f);
    const result got = run(shape, samples);
    BOOST_TEST(std::abs(row_of(got.frames[0], shape, 0, 0)[8] + 6.0206f) < float_db);
    BOOST_TEST(std::abs(row_of(got.frames[0], shape, 0, 1)[8]) < float_db);
    const double mean = 10 * std::log10((0.25 + 1) / 4);
    BOOST_TEST(std::abs(row_of(got.frames[0], shape, 0, 2)[8] - mean) < float_db);
}

BOOST_AUTO_TEST_CASE(a_mean_of_a_million_segments_keeps_its_precision)
{
    const spectrogram_shape shape{ 2, 2, 1000000, 1, { reduction::mean } };
    const result got = run(shape, iq(shape.frame_samples(), 0.1f));
    BOOST_TEST(std::abs(got.frames[0][1] + 20) < float_db);
}

BOOST_AUTO_TEST_CASE(any_split_gives_the_same_rows)
{
    const iq samples = noise(2 * small.frame_samples() + 777);
    const result whole = run(small, samples);
    BOOST_TEST(whole.frames.size() == 4);
    std::mt19937 random(3);
    for (const unsigned largest : { 1u, 2u, 29u, 30u, 31u, 64u, 500u, 5000u }) {
        const result got = run_split(small, sample_type::complex64, samples, [&] {
            return 1 + random() % largest;
        });
        BOOST_REQUIRE(got.frames.size() == whole.frames.size());
        for (std::size_t i = 0; i < whole.frames.size(); i++) {
            check_same(got.frames[i], whole.frames[i]);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_frame_may_be_shorter_than_its_overhang)
{
    const spectrogram_shape shape{
        64, 10, 1, 2, { reduction::max }
    }; // 20 samples, overhang 54
    const iq samples = noise(331);
    const result got = run(shape, samples);
    BOOST_TEST(got.frames.size() == 17);
    BOOST_TEST(std::accumulate(got.valid.begin(), got.valid.end(), 0u) == 331);
    for (std::size_t i = 0; i < got.frames.size(); i++) {
        const iq rest(samples.begin() + i * 20,
                      samples.begin() + std::min<std::size_t>(331, i * 20 + 74));
        check_same(got.frames[i], run(shape, rest).frames[0]);
    }
}

BOOST_AUTO_TEST_CASE(the_last_segments_move_back_to_the_last_sample)
{
    const iq samples = noise(small.frame_samples());
    const spectrogram_shape one{ 64, 64, 1, 1, { reduction::max } };
    // Segment 23 would start at 690 and read to 754; the run ends at 720.
    const iq tail(samples.end() - 64, samples.end());
    const std::vector<float> of_tail = run(one, tail).frames[0];
    const result got = run(small, samples);
    const float* of_row = row_of(got.frames[0], small, 7, 1);
    for (unsigned bin = 0; bin < 64; bin++) {
        BOOST_TEST(of_row[bin] >= of_tail[bin]); // the maximum of the row includes it
    }
    // Alone in its row it is the row.
    const iq cut(samples.begin(), samples.begin() + 7 * 90 + 20); // one segment in row 7
    const std::vector<float> frame = run(small, cut).frames[0];
    const iq cut_tail(cut.end() - 64, cut.end());
    const std::vector<float> expected = run(one, cut_tail).frames[0];
    check_same({ row_of(frame, small, 7, 1), row_of(frame, small, 7, 1) + 64 }, expected);
}

BOOST_AUTO_TEST_CASE(a_cut_frame_goes_on_with_its_rows_mirrored_in_time)
{
    const iq samples = noise(185); // rows 0 and 1, and row 2 from the segment at 180
    const result got = run(small, samples);
    BOOST_TEST(got.frames.size() == 1);
    BOOST_TEST(got.valid[0] == 185);
    const unsigned sources[] = { 0, 1, 2, 2, 1, 0, 0, 1 };
    for (unsigned row = 3; row < small.rows; row++) {
        const float* source = row_of(got.frames[0], small, sources[row]);
        BOOST_TEST(std::equal(
            source, source + small.row_size(), row_of(got.frames[0], small, row)));
    }
}

BOOST_AUTO_TEST_CASE(a_run_shorter_than_a_segment_is_padded_with_zeros)
{
    const spectrogram_shape one{ 64, 64, 1, 1, { reduction::max } };
    for (const std::size_t count : { 1u, 2u, 63u }) {
        const iq samples = noise(count);
        iq padded = samples;
        padded.resize(64);
        check_same(run(one, samples).frames[0], run(one, padded).frames[0]);
    }
}

BOOST_AUTO_TEST_CASE(integer_samples_have_the_full_scale_of_their_type)
{
    std::mt19937 random(5);
    std::vector<std::int16_t> wide(2 * 1500);
    std::vector<std::int8_t> narrow(wide.size());
    iq from_wide(1500), from_narrow(1500);
    for (std::size_t i = 0; i < wide.size(); i++) {
        wide[i] = static_cast<std::int16_t>(random());
        narrow[i] = static_cast<std::int8_t>(random());
        reinterpret_cast<float*>(from_wide.data())[i] = wide[i] / 32768.0f;
        reinterpret_cast<float*>(from_narrow.data())[i] = narrow[i] / 128.0f;
    }
    std::mt19937 sizes(1);
    const auto piece = [&] { return 1 + sizes() % 100; };
    const result of_wide = run_split(small, sample_type::int16, wide, piece);
    const result of_narrow = run_split(small, sample_type::int8, narrow, piece);
    for (std::size_t i = 0; i < of_wide.frames.size(); i++) {
        check_same(of_wide.frames[i], run(small, from_wide).frames[i]);
        check_same(of_narrow.frames[i], run(small, from_narrow).frames[i]);
    }
    const std::vector<std::int8_t> lowest(2 * 64, -128);
    const spectrogram_shape one{ 64, 64, 1, 1, { reduction::max } };
    const float level = run(one, sample_type::int8, lowest).frames[0][32];
    BOOST_TEST(std::abs(level - 3.0103f) < float_db); // |-1 - 1j|^2 = 2
}

BOOST_AUTO_TEST_CASE(samples_that_are_not_finite_count_as_zero_and_are_counted_once)
{
    const std::uint64_t frame = small.frame_samples(); // 720
    iq samples = noise(2 * frame + 100);
    iq clean = samples;
    const std::pair<std::size_t, std::complex<float>> bad[] = {
        { 0, { nan_value, 0 } },
        { 5, { 0, inf_value } },
        { 300, { -inf_value, 1 } },
        { 301, { nan_value, nan_value } },
        { frame - 1, { nan_value, 0 } },
        { frame, { inf_value, -inf_value } },
        { frame + 33, { 0, nan_value } }, // in the overhang: of the next frame
        { 2 * frame + 99, { nan_value, 0 } },
    };
    for (const auto& [at, value] : bad) {
        samples[at] = value;
        clean[at] = 0;
    }
    for (const unsigned largest : { 1u, 50u, 10000u }) {
        std::mt19937 random(2);
        const result got = run_split(small, sample_type::complex64, samples, [&] {
            return 1 + random() % largest;
        });
        const result expected = run(small, clean);
        BOOST_REQUIRE(got.frames.size() == 3);
        BOOST_TEST(got.non_finite[0] == 5);
        BOOST_TEST(got.non_finite[1] == 2);
        BOOST_TEST(got.non_finite[2] == 1);
        for (std::size_t i = 0; i < 3; i++) {
            check_same(got.frames[i], expected.frames[i]);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_frame_is_complete_with_its_overhang_and_not_before)
{
    spectrogram_kernel kernel(small, sample_type::complex64);
    const iq samples = noise(2000);
    const std::uint64_t needed = small.frame_samples() + small.overhang();
    BOOST_TEST(kernel.feed(samples.data(), needed - 1).consumed == needed - 1);
    BOOST_TEST(!kernel.frame_complete());
    const auto progress = kernel.feed(samples.data() + needed - 1, 500);
    BOOST_TEST(progress.consumed == 1);
    BOOST_TEST(progress.produced == 1);
    BOOST_TEST(kernel.frame_complete());
    BOOST_TEST(kernel.samples_ahead() == small.overhang());
    BOOST_TEST(kernel.feed(samples.data(), 500).consumed == 0);
}

BOOST_AUTO_TEST_CASE(a_reset_kernel_is_as_new)
{
    const iq samples = noise(900);
    spectrogram_kernel kernel(small, sample_type::complex64);
    kernel.feed(samples.data() + 100, 400);
    kernel.reset();
    kernel.feed(samples.data(), samples.size());
    check_same(kernel.rows(), run(small, samples).frames[0]);
}

BOOST_AUTO_TEST_CASE(shapes_that_make_no_spectrogram_are_refused)
{
    const auto refused = [](const spectrogram_shape& shape, const std::string& text) {
        BOOST_CHECK_EXCEPTION(
            spectrogram_kernel(shape, sample_type::complex64),
            std::invalid_argument,
            [&](const auto& error) { return std::string(error.what()).find(text) == 0; });
    };
    const std::vector<reduction> mean{ reduction::mean };
    refused({ 0, 1, 1, 1, mean }, "fft_size=0 must be at least 1");
    refused({ 64, 0, 1, 1, mean }, "hop=0 must be at least 1");
    refused({ 64, 30, 0, 1, mean }, "segments_per_row=0 must be at least 1");
    refused({ 64, 30, 1, 0, mean }, "rows=0 must be at least 1");
    refused({ 65, 30, 1, 1, mean },
            "fft_size=65 is odd; DC needs an even number of bins");
    refused({ 64, 65, 1, 1, mean },
            "hop=65 exceeds fft_size=64: samples between segments");
    refused({ 64, 30, 1, 1, {} },
            "reductions is empty; name at least one of mean, max, first");
    refused({ 512, 30, 1, 600000, mean },
            "rows=600000 of fft_size=512 bins make a frame of more");
    BOOST_CHECK_THROW(to_reduction("median"), std::invalid_argument);
    BOOST_CHECK_THROW(to_sample_type("float"), std::invalid_argument);
}
