/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#define BOOST_TEST_MODULE framer
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <gnuradio/rfseg/framer.h>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace gr::rfseg;

namespace {

constexpr double rate = 61.44e6;
constexpr double nanosecond = 1e-9;

const spectrogram_shape small{ 64, 30, 3, 8, { reduction::mean } };
constexpr std::uint64_t whole = 720; // samples of a whole frame
constexpr std::uint64_t overhang = 34;

//! A framer with the frames that it has handed out.
struct stream {
    explicit stream(const spectrogram_shape& shape = small,
                    std::optional<double> center_freq = std::nullopt)
        : framed(shape, sample_type::int8, rate, center_freq)
    {
    }

    void collect()
    {
        for (; framed.ready(); framed.release()) {
            frames.push_back(framed.info());
        }
    }

    void feed(std::size_t count)
    {
        const std::vector<std::int8_t> samples(2 * count, 1);
        for (std::size_t taken = 0; taken < count;) {
            taken += framed.feed(samples.data() + 2 * taken, count - taken);
            collect();
        }
    }

    void cut(const stream_change& change)
    {
        framed.cut(change);
        collect();
    }

    void end()
    {
        framed.end();
        collect();
        check_partition();
    }

    //! Every sample is in exactly one frame, and exactly the last frame says so.
    void check_partition() const
    {
        std::uint64_t next = 0;
        for (std::size_t i = 0; i < frames.size(); i++) {
            BOOST_TEST(frames[i].index == i);
            BOOST_TEST(frames[i].sample_start == next);
            BOOST_TEST(frames[i].valid_samples > 0);
            BOOST_TEST(frames[i].valid_samples <= frames[i].sample_count);
            BOOST_TEST(frames[i].last == (i + 1 == frames.size()));
            next += frames[i].valid_samples;
        }
        BOOST_TEST(next == framed.position());
    }

    framer framed;
    std::vector<frame_info> frames;
};

constexpr double duration = 100 / rate; // s, of 100 samples

//! Rates in Hz: a whole one, one with no exact reciprocal, one that is no whole number.
const double rates[] = { 61.44e6, 30.719999e6, 23.04e6 / 1.001 };

//! The moment of sample `n` by integers alone, for what a double holds is a ratio of
//! them.
rx_time exact_moment(const rx_time& start, std::int64_t n, double samp_rate)
{
    using wide = unsigned __int128;
    constexpr int digits = 28; // binary, after the point: enough for these rates
    const auto scaled = static_cast<wide>(std::ldexp(samp_rate, digits));
    const wide samples = static_cast<wide>(n) << digits;
    const double part = static_cast<double>(samples % scaled) / double(scaled);
    const double fraction = start.fraction + part;
    const double carry = std::floor(fraction);
    const auto seconds = static_cast<std::uint64_t>(samples / scaled);
    return { start.seconds + seconds + static_cast<std::uint64_t>(carry),
             fraction - carry };
}

bool same_moment(const rx_time& a, const rx_time& b)
{
    return a.fraction >= 0 && a.fraction < 1 && std::abs(a.since(b)) < nanosecond;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_stream_of_any_length_is_cut_into_frames_and_the_last_says_so)
{
    for (const std::size_t count :
         { 0u, 1u, 63u, 64u, 719u, 720u, 721u, 753u, 754u, 755u, 1440u }) {
        stream s;
        s.feed(count);
        s.end();
        BOOST_TEST(s.frames.size() == (count + whole - 1) / whole);
    }
}

BOOST_AUTO_TEST_CASE(a_frame_without_overhang_waits_for_the_next_sample)
{
    const spectrogram_shape shape{ 64, 64, 1, 2, { reduction::mean } };
    stream s(shape);
    s.feed(128);
    BOOST_TEST(s.frames.empty()); // it may be the last
    s.feed(1);
    BOOST_TEST(s.frames.size() == 1);
    s.end();
    BOOST_TEST(s.frames.size() == 2);
}

BOOST_AUTO_TEST_CASE(a_cut_anywhere_ends_the_frame_exactly_there)
{
    for (const std::size_t at :
         { 1u, 10u, 64u, 719u, 720u, 721u, 753u, 754u, 755u, 1439u, 1440u }) {
        stream s(small, 1e9);
        s.feed(at);
        s.cut({ {}, 2e9, {} });
        s.feed(100);
        s.end();
        BOOST_TEST(s.frames.back().valid_samples == 100);
        BOOST_TEST(s.frames.back().sample_start == at);
        BOOST_TEST((s.frames.back().center_freq == 2e9));
        for (std::size_t i = 0; i + 1 < s.frames.size(); i++) {
            BOOST_TEST((s.frames[i].center_freq == 1e9));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_cut_before_the_first_sample_makes_no_frame)
{
    stream s;
    s.cut({ {}, 2e9, {} });
    s.feed(100);
    s.end();
    BOOST_TEST(s.frames.size() == 1);
    BOOST_TEST((s.frames[0].center_freq == 2e9));
}

BOOST_AUTO_TEST_CASE(the_stream_may_end_at_a_cut)
{
    stream s;
    s.feed(100);
    s.cut({});
    BOOST_TEST(s.frames.empty()); // it may be the last
    s.end();
    BOOST_TEST(s.frames.size() == 1);
    BOOST_TEST(s.frames[0].valid_samples == 100);
}

BOOST_AUTO_TEST_CASE(several_cuts_without_a_sample_between_are_one)
{
    stream s;
    s.feed(whole + 10); // two frames wait for their end
    s.cut({ {}, 1e9, {} });
    s.cut({ 30.72e6, {}, {} });
    s.cut({ {}, 2e9, rx_time{ 5, 0.5 } });
    s.feed(whole);
    s.end();
    BOOST_TEST(s.frames.size() == 3);
    BOOST_TEST(s.frames[1].valid_samples == 10);
    BOOST_TEST(!s.frames[1].center_freq.has_value());
    BOOST_TEST(s.frames[1].samp_rate == rate);
    BOOST_TEST((s.frames[2].center_freq == 2e9));
    BOOST_TEST(s.frames[2].samp_rate == 30.72e6);
    BOOST_TEST(same_moment(*s.frames[2].time, { 5, 0.5 }));
}

BOOST_AUTO_TEST_CASE(time_is_exact_over_days)
{
    const rx_time start{ 1700000000, 0.75 };
    const std::int64_t day = std::int64_t(61440000) * 86400;
    const rx_time later = start.after(day, rate);
    BOOST_TEST(later.seconds == 1700086400);
    BOOST_TEST(later.fraction == 0.75);
    const rx_time carried = start.after(61440000 / 4, rate);
    BOOST_TEST(carried.seconds == 1700000001);
    BOOST_TEST(carried.fraction == 0.0);
    const rx_time back = later.after(-day - 1, rate);
    BOOST_TEST(back.seconds == 1700000000);
    BOOST_TEST(std::abs(back.fraction - (0.75 - 1 / rate)) < 1e-12);
    BOOST_TEST(later.since(start) == 86400.0);
    // A rate that is no whole number of samples per second.
    const rx_time odd = start.after(3 * day, 61.44e6 / 1.001);
    BOOST_TEST(same_moment(odd, { 1700000000 + 259459, 0.95 }));
}

BOOST_AUTO_TEST_CASE(frames_carry_the_moment_of_their_first_sample)
{
    stream s;
    s.framed.set_clock({ 10, 0.999999 });
    s.feed(4 * whole);
    s.end();
    for (const frame_info& frame : s.frames) {
        const rx_time expected = rx_time{ 10, 0.999999 }.after(frame.sample_start, rate);
        BOOST_TEST(same_moment(*frame.time, expected));
    }
    BOOST_TEST(s.frames.back().time->seconds == 11);
}

BOOST_AUTO_TEST_CASE(a_gap_moves_the_clock_of_the_frames_after_it_only)
{
    stream s;
    s.framed.set_clock({ 10, 0 });
    s.feed(whole + 5);
    s.cut({ {}, {}, rx_time{ 20, 0.5 } });
    s.feed(whole);
    s.end();
    BOOST_TEST(s.frames.size() == 3);
    BOOST_TEST(same_moment(*s.frames[1].time, rx_time{ 10, 0 }.after(whole, rate)));
    BOOST_TEST(same_moment(*s.frames[2].time, { 20, 0.5 }));
}

BOOST_AUTO_TEST_CASE(after_a_rate_change_the_clock_runs_on_at_the_new_rate)
{
    stream s;
    s.framed.set_clock({ 10, 0 });
    s.feed(300);
    s.cut({ rate / 2, {}, {} });
    s.feed(whole + 100);
    s.end();
    BOOST_TEST(same_moment(*s.frames[1].time, { 10, 300 / rate }));
    BOOST_TEST(same_moment(*s.frames[2].time, { 10, (300 + 2 * double(whole)) / rate }));
}

BOOST_AUTO_TEST_CASE(a_frame_that_began_before_the_clock_was_known_has_its_moment_too)
{
    stream s;
    s.feed(100);
    s.framed.set_clock({ 10, 0 });
    s.feed(whole);
    s.end();
    BOOST_TEST(same_moment(*s.frames[0].time, { 9, 1 - 100 / rate }));
}

BOOST_AUTO_TEST_CASE(a_reset_framer_starts_over_where_it_is_told)
{
    stream s(small, 1e9);
    s.feed(1000);
    s.cut({ rate / 2, 3e9, rx_time{ 1, 0 } });
    s.framed.reset(5000);
    s.frames.clear();
    s.feed(whole);
    s.framed.end();
    s.collect();
    BOOST_TEST(s.frames.size() == 1);
    BOOST_TEST(s.frames[0].index == 0);
    BOOST_TEST(s.frames[0].sample_start == 5000);
    BOOST_TEST(s.frames[0].samp_rate == rate);
    BOOST_TEST((s.frames[0].center_freq == 1e9));
    BOOST_TEST(!s.frames[0].time.has_value());
}

BOOST_AUTO_TEST_CASE(rates_and_frequencies_that_are_none_are_refused)
{
    const double nan = std::numeric_limits<double>::quiet_NaN();
    BOOST_CHECK_THROW(framer(small, sample_type::int8, 0, {}), std::invalid_argument);
    BOOST_CHECK_THROW(framer(small, sample_type::int8, nan, {}), std::invalid_argument);
    BOOST_CHECK_THROW(framer(small, sample_type::int8, rate, nan), std::invalid_argument);
    stream s;
    BOOST_CHECK_THROW(s.framed.cut({ -1.0, {}, {} }), std::invalid_argument);
    BOOST_CHECK_THROW(s.framed.cut({ {}, nan, {} }), std::invalid_argument);
    BOOST_CHECK_THROW(s.framed.cut({ {}, {}, {}, -1.0 }), std::invalid_argument);
    BOOST_CHECK_THROW(s.framed.cut({ {}, {}, {}, nan }), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_day_of_samples_does_not_drift)
{
    const rx_time start{ 1700000000, 0.7654321 };
    for (const double samp_rate : rates) {
        sample_clock clock(samp_rate);
        clock.set(12345, start);
        const auto day = static_cast<std::int64_t>(86400 * samp_rate);
        for (std::int64_t n = 0; n <= day; n += day / 997) {
            const rx_time expected = exact_moment(start, n, samp_rate);
            BOOST_TEST(std::abs(clock.at(12345 + n)->since(expected)) < 1e-14);
            BOOST_TEST(clock.lost(12345 + n, expected) == 0);
        }
    }
    // The rate itself is rounded to a double: a thousandth of a sample in a day.
    const std::int64_t n = 86400 * std::int64_t(23040000);
    sample_clock clock(23.04e6 / 1.001);
    clock.set(0, { 0, 0 });
    const rx_time expected{ 86486, 0.4 }; // n * 1.001 / 23.04e6
    BOOST_TEST(std::abs(clock.at(n)->since(expected)) * 23.04e6 < 1e-3);
}

BOOST_AUTO_TEST_CASE(a_day_of_tags_that_round_is_no_gap_and_adds_up_to_none)
{
    for (const double samp_rate : rates) {
        const rx_time start{ 1700000000, 0.25 };
        const auto interval = static_cast<std::int64_t>(samp_rate / 10);
        sample_clock clock(samp_rate);
        clock.set(0, start);
        for (std::int64_t n = 0; n < 864000 * interval; n += interval) {
            rx_time told = exact_moment(start, n, samp_rate);
            told.fraction = std::floor(told.fraction * 1e9) / 1e9; // as SoapySDR has it
            if (clock.lost(n, told) != 0) {
                BOOST_FAIL("a gap at sample " << n);
            }
            clock.set(n, told);
        }
        const std::int64_t end = 864000 * interval;
        const rx_time expected = exact_moment(start, end, samp_rate);
        BOOST_TEST(std::abs(clock.at(end)->since(expected)) < 2 * nanosecond);
    }
}

BOOST_AUTO_TEST_CASE(one_sample_is_rounding_and_two_are_a_gap)
{
    const rx_time start{ 1700000000, 0.999999 };
    for (const double samp_rate : rates) {
        sample_clock clock(samp_rate);
        clock.set(0, start);
        const std::uint64_t at = 86400 * static_cast<std::uint64_t>(samp_rate) + 1;
        for (const double samples : { -1.4, -1.0, -0.5, 0.0, 0.5, 1.0, 1.4 }) {
            rx_time told = *clock.at(at);
            told.fraction += samples / samp_rate;
            BOOST_TEST(clock.lost(at, told) == 0);
        }
        for (const std::int64_t samples : { -100000, -2, 2, 3, 1000, 2000000000 }) {
            BOOST_TEST(clock.lost(at, clock.at(at)->after(samples, samp_rate)) ==
                       samples);
        }
    }
    sample_clock clock(rate);
    BOOST_TEST(clock.lost(0, start) == 0); // nothing to compare with
    clock.set(0, start);
    const std::uint64_t far = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(clock.lost(0, { far, 0 }) == std::int64_t(9e18));
}

BOOST_AUTO_TEST_CASE(a_moment_before_second_0_is_not_known)
{
    stream s;
    s.feed(100);
    s.framed.set_clock({ 0, 0 }); // a radio whose clock was set just now
    s.feed(whole);
    s.end();
    BOOST_TEST(!s.frames[0].time.has_value());
    BOOST_TEST(same_moment(*s.frames[1].time, { 0, (whole - 100) / rate }));
}

BOOST_AUTO_TEST_CASE(offsets_are_exact_beyond_what_a_double_counts)
{
    const std::uint64_t far = (std::uint64_t(1) << 60) + 1;
    stream s;
    s.framed.reset(far);
    s.framed.set_clock({ 10, 0 });
    s.feed(whole + 1);
    s.framed.end();
    s.collect();
    BOOST_TEST(s.frames[0].sample_start == far);
    BOOST_TEST(s.frames[1].sample_start == far + whole);
    BOOST_TEST(same_moment(*s.frames[1].time, { 10, whole / rate }));
}

BOOST_AUTO_TEST_CASE(time_that_is_lost_stays_lost_until_it_is_told_again)
{
    stream s;
    s.framed.set_clock({ 10, 0 });
    s.feed(100);
    stream_change change;
    change.time_lost = true;
    s.cut(change);
    s.feed(100);
    s.cut({ {}, {}, rx_time{ 20, 0 } });
    s.feed(100);
    s.end();
    BOOST_TEST(same_moment(*s.frames[0].time, { 10, 0 }));
    BOOST_TEST(!s.frames[1].time.has_value());
    BOOST_TEST(same_moment(*s.frames[2].time, { 20, 0 }));
}

BOOST_AUTO_TEST_CASE(settling_samples_have_frames_of_their_own)
{
    // In a frame, at the end of one, over several, and ending with one.
    for (const std::size_t settling :
         { 1u, 33u, 34u, 35u, 100u, 719u, 720u, 721u, 2000u }) {
        for (const std::size_t at : { 1u, 100u, 720u, 754u, 1440u }) {
            stream s(small, 1e9);
            s.feed(at);
            s.cut({ {}, 2e9, {}, settling / rate });
            BOOST_TEST(s.framed.settling_samples() == settling);
            s.feed(settling + whole + 10);
            s.end();
            std::uint64_t blanked = 0;
            for (const frame_info& frame : s.frames) {
                const bool settles =
                    frame.sample_start >= at && frame.sample_start < at + settling;
                BOOST_TEST(frame.settling == settles);
                blanked += settles ? frame.valid_samples : 0;
                BOOST_TEST((frame.center_freq == (frame.sample_start < at ? 1e9 : 2e9)));
            }
            BOOST_TEST(blanked == settling);
            BOOST_TEST(s.frames.back().sample_start == at + settling + whole);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_retune_while_settling_settles_anew)
{
    stream s(small, 1e9);
    s.feed(50);
    s.cut({ {}, 2e9, {}, duration });
    s.feed(40);
    s.cut({ {}, 3e9, {}, duration });
    s.feed(99);
    BOOST_TEST(s.framed.settling_samples() == 1);
    s.feed(1 + whole);
    s.end();
    BOOST_TEST(s.frames.size() == 4);
    BOOST_TEST((s.frames[1].center_freq == 2e9));
    BOOST_TEST(s.frames[1].settling);
    BOOST_TEST(s.frames[1].valid_samples == 40);
    BOOST_TEST((s.frames[2].center_freq == 3e9));
    BOOST_TEST(s.frames[2].settling);
    BOOST_TEST(s.frames[2].valid_samples == 100);
    BOOST_TEST(s.frames[3].sample_start == 190);
    BOOST_TEST(!s.frames[3].settling);
}

BOOST_AUTO_TEST_CASE(
    a_retune_on_the_first_good_sample_settles_anew_without_a_frame_between)
{
    stream s(small, 1e9);
    s.feed(50);
    s.cut({ {}, 2e9, {}, duration });
    s.feed(100);
    s.cut({ {}, 3e9, {}, duration });
    s.feed(101);
    s.end();
    BOOST_TEST(s.frames.size() == 4);
    BOOST_TEST(s.frames[2].settling);
    BOOST_TEST((s.frames[2].center_freq == 3e9));
    BOOST_TEST(s.frames[3].valid_samples == 1);
    BOOST_TEST(!s.frames[3].settling);
}

BOOST_AUTO_TEST_CASE(a_gap_while_settling_cuts_and_the_rest_settles)
{
    stream s;
    s.framed.set_clock({ 10, 0 });
    s.feed(50);
    s.cut({ {}, 2e9, {}, duration });
    s.feed(30);
    s.cut({ {}, {}, rx_time{ 20, 0 } });
    s.feed(200);
    s.end();
    BOOST_TEST(s.frames.size() == 4);
    BOOST_TEST(s.frames[2].settling);
    BOOST_TEST(s.frames[2].valid_samples == 70);
    BOOST_TEST(same_moment(*s.frames[2].time, { 20, 0 }));
    BOOST_TEST(!s.frames[3].settling);
    BOOST_TEST(same_moment(*s.frames[3].time, { 20, 70 / rate }));
}

BOOST_AUTO_TEST_CASE(the_stream_may_end_or_begin_while_settling)
{
    stream s;
    s.cut({ {}, 2e9, {}, duration });
    s.feed(100);
    s.cut({ {}, 3e9, {}, duration });
    s.feed(60);
    s.end();
    BOOST_TEST(s.frames.size() == 2);
    BOOST_TEST(s.frames[0].settling);
    BOOST_TEST(s.frames[0].sample_start == 0);
    BOOST_TEST(s.frames[1].settling);
    BOOST_TEST(s.frames[1].valid_samples == 60);
}

BOOST_AUTO_TEST_CASE(settling_time_counts_at_the_new_rate)
{
    stream s;
    s.feed(50);
    s.cut({ rate / 2, {}, {}, duration });
    BOOST_TEST(s.framed.settling_samples() == 50);
    s.framed.reset();
    BOOST_TEST(s.framed.settling_samples() == 0);
}
