/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Throughput of the spectrogram kernel on one core:
//   taskset -c 0 build/tests/cpp/bench_spectrogram_kernel [FFT_SIZE HOP SEGMENTS_PER_ROW]
// Feeds noise from a 4 MiB source in pieces of 32768 samples and prints the median,
// slowest and fastest of seven measurements of half a second each, in samples per second
// of CPU time.

#include <gnuradio/rfseg/spectrogram_kernel.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

using namespace gr::rfseg;

namespace {

double
measure(spectrogram_kernel& kernel, const std::vector<char>& source, sample_type type)
{
    constexpr std::size_t piece = 32768;
    constexpr double seconds = 0.5;
    const std::size_t item = sample_size(type);
    const std::size_t available = source.size() / item;
    std::uint64_t total = 0;
    std::size_t at = 0;
    const std::clock_t begin = std::clock();
    double elapsed = 0;
    while (elapsed < seconds) {
        for (int i = 0; i < 64; i++) {
            const std::size_t count = std::min(piece, available - at);
            const std::size_t taken =
                kernel.feed(source.data() + at * item, count).consumed;
            if (kernel.frame_complete()) {
                kernel.next_frame();
            }
            total += taken;
            at = (at + taken) % available;
        }
        elapsed = double(std::clock() - begin) / CLOCKS_PER_SEC;
    }
    return total / elapsed;
}

} // namespace

int main(int argc, char** argv)
{
    const auto argument = [&](int i, int otherwise) {
        return static_cast<unsigned>(argc > i ? std::atoi(argv[i]) : otherwise);
    };
    const spectrogram_shape shape{ argument(1, 256),
                                   argument(2, 120),
                                   argument(3, 40),
                                   256,
                                   { reduction::mean, reduction::max } };
    std::mt19937 random(1);
    for (const auto& [name, type] : { std::pair{ "complex64", sample_type::complex64 },
                                      std::pair{ "int16", sample_type::int16 },
                                      std::pair{ "int8", sample_type::int8 } }) {
        std::vector<char> source(4 << 20);
        if (type == sample_type::complex64) {
            std::normal_distribution<float> noise(0, 0.1f);
            auto* values = reinterpret_cast<float*>(source.data());
            std::generate(values, values + source.size() / sizeof(float), [&] {
                return noise(random);
            });
        } else {
            std::generate(source.begin(), source.end(), [&] { return char(random()); });
        }
        spectrogram_kernel kernel(shape, type);
        std::vector<double> rates;
        for (int i = 0; i < 7; i++) {
            rates.push_back(measure(kernel, source, type) / 1e6);
        }
        std::sort(rates.begin(), rates.end());
        std::printf(
            "fft_size %u hop %u segments_per_row %u %-9s: %.0f MS/s (%.0f to %.0f)\n",
            shape.fft_size,
            shape.hop,
            shape.segments_per_row,
            name,
            rates[3],
            rates.front(),
            rates.back());
    }
}
