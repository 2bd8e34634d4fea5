/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#define BOOST_TEST_MODULE framer
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <complex>
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
}
