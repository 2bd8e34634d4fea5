/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The inner loops for each set of instructions that this processor has, against sums in
// double precision.

#define BOOST_TEST_MODULE spectra
#include "spectra.h"
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <vector>

using namespace gr::rfseg;

namespace {

constexpr std::size_t size = 256;
constexpr double rounding = 2e-6; // of a float transform of 256 points, re the strongest

struct fixture {
    fixture() : samples(2 * size + 2), sum(size, 1.0f), max(size, 0.5f)
    {
        std::mt19937 random(3);
        std::normal_distribution<float> normal;
        for (float& value : samples) {
            value = normal(random);
        }
        for (std::size_t i = 0; i < size; i++) {
            window.re[i] = normal(random);
            window.im[i] = normal(random);
        }
    }

    //! Powers of 256 samples from number `first` on.
    std::vector<double> powers(bool turned, std::size_t first) const
    {
        std::vector<double> found(size);
        for (std::size_t bin = 0; bin < size; bin++) {
            std::complex<double> term = 0;
            for (std::size_t i = 0; i < size; i++) {
                const std::complex<double> weight(window.re[i],
                                                  turned ? window.im[i] : 0.0);
                term += std::complex<double>(samples[2 * (first + i)],
                                             samples[2 * (first + i) + 1]) *
                        weight *
                        std::polar(1.0, -2 * M_PI * double(i * bin % size) / size);
            }
            found[bin] = std::norm(term);
        }
        return found;
    }

    std::vector<float> samples; // one more than a segment: they need not be aligned
    window_256 window;
    turns_256 turns;
    vector_of<float> sum, max;
};

} // namespace

BOOST_FIXTURE_TEST_CASE(sums_and_maxima_are_those_of_the_definition, fixture)
{
    const std::vector<double> expected = powers(false, 1);
    const double strongest = *std::max_element(expected.begin(), expected.end());
    for (const spectra* loops : runnable_spectra()) {
        BOOST_TEST_CONTEXT(loops->name)
        {
            fixture fresh;
            BOOST_TEST(loops->accumulate_256(samples.data() + 2,
                                             window,
                                             turns,
                                             true,
                                             fresh.sum.data(),
                                             fresh.max.data()));
            for (std::size_t bin = 0; bin < size; bin++) {
                BOOST_TEST(std::abs(fresh.sum[bin] - 1 - expected[bin]) <
                           rounding * strongest);
                BOOST_TEST(std::abs(fresh.max[bin] - std::max(0.5, expected[bin])) <
                           rounding * strongest);
            }
        }
    }
}

BOOST_FIXTURE_TEST_CASE(a_sample_that_is_not_finite_leaves_the_sums_alone, fixture)
{
    for (const spectra* loops : runnable_spectra()) {
        for (const float bad : { std::numeric_limits<float>::quiet_NaN(),
                                 std::numeric_limits<float>::infinity() }) {
            BOOST_TEST_CONTEXT(loops->name)
            {
                fixture fresh;
                fresh.samples[77] = bad;
                window.re[38] = 0; // sample 38 has no weight, and shows all the same
                BOOST_TEST(!loops->accumulate_256(fresh.samples.data(),
                                                  window,
                                                  turns,
                                                  true,
                                                  fresh.sum.data(),
                                                  fresh.max.data()));
                BOOST_TEST(fresh.sum == sum, boost::test_tools::per_element());
                BOOST_TEST(fresh.max == max, boost::test_tools::per_element());
                fresh.samples.assign(fresh.samples.size(), 1e38f);
                BOOST_TEST(loops->accumulate_256(fresh.samples.data(),
                                                 window,
                                                 turns,
                                                 false,
                                                 fresh.sum.data(),
                                                 fresh.max.data()));
                BOOST_TEST(fresh.max[0] == highest_power); // too large to transform
            }
        }
    }
}

BOOST_FIXTURE_TEST_CASE(turned_windows_give_powers_and_extremes, fixture)
{
    const std::vector<double> expected = powers(true, 0);
    const double strongest = *std::max_element(expected.begin(), expected.end());
    const double weakest = *std::min_element(expected.begin(), expected.end());
    for (const spectra* loops : runnable_spectra()) {
        BOOST_TEST_CONTEXT(loops->name)
        {
            vector_of<float> power(size), min(16, highest_power), high(16, lowest_power);
            loops->power_256(samples.data(), window, turns, power.data());
            for (std::size_t bin = 0; bin < size; bin++) {
                BOOST_TEST(std::abs(power[bin] - expected[bin]) < rounding * strongest);
            }
            loops->extremes_256(samples.data(), window, turns, min.data(), high.data());
            BOOST_TEST(std::abs(*std::max_element(high.begin(), high.end()) - strongest) <
                       rounding * strongest);
            BOOST_TEST(std::abs(*std::min_element(min.begin(), min.end()) - weakest) <
                       rounding * strongest);
        }
    }
}

// 100 is a multiple of no vector: what is left over is computed too.
BOOST_FIXTURE_TEST_CASE(windows_sums_and_decibels_of_any_size, fixture)
{
    constexpr std::size_t bins = 100;
    for (const spectra* loops : runnable_spectra()) {
        BOOST_TEST_CONTEXT(loops->name)
        {
            fixture fresh;
            vector_of<float> windowed(2 * bins);
            loops->apply_window(samples.data(), window.re, windowed.data(), bins);
            loops->accumulate(windowed.data(), fresh.sum.data(), fresh.max.data(), bins);
            for (std::size_t bin = 0; bin < bins; bin++) {
                BOOST_TEST(windowed[2 * bin] == samples[2 * bin] * window.re[bin]);
                BOOST_TEST(windowed[2 * bin + 1] ==
                           samples[2 * bin + 1] * window.re[bin]);
                const double power = std::norm(
                    std::complex<double>(windowed[2 * bin], windowed[2 * bin + 1]));
                BOOST_TEST(fresh.sum[bin] == 1 + power,
                           boost::test_tools::tolerance(1e-6));
                BOOST_TEST(fresh.max[bin] == std::max(0.5, power),
                           boost::test_tools::tolerance(1e-6));
            }
            BOOST_TEST(fresh.sum[bins] == 1.0f);
            std::vector<float> power, decibels(81);
            for (int i = -40; i <= 40; i++) {
                power.push_back(static_cast<float>(std::pow(10.0, 0.5 * i)));
            }
            loops->to_decibels(power.data(), decibels.data(), power.size());
            for (std::size_t i = 0; i < power.size(); i++) {
                BOOST_TEST(std::abs(decibels[i] - 10 * std::log10(power[i])) < 1e-4);
            }
        }
    }
}
