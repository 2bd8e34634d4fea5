/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <gnuradio/rfseg/framer.h>
#include <sstream>
#include <stdexcept>

namespace gr {
namespace rfseg {

rx_time rx_time::after(std::int64_t samples, double samp_rate) const
{
    // Whole seconds go first: what is left is below one second and keeps its precision.
    const double count = static_cast<double>(samples);
    double rest = std::fmod(count, samp_rate);
    if (rest < 0) {
        rest += samp_rate;
    }
    std::int64_t whole = std::llround((count - rest) / samp_rate);
    double part = fraction + rest / samp_rate;
    const double carry = std::floor(part);
    whole += static_cast<std::int64_t>(carry);
    part -= carry;
    return { seconds + static_cast<std::uint64_t>(whole), part };
}

double rx_time::since(const rx_time& other) const
{
    return static_cast<double>(static_cast<std::int64_t>(seconds - other.seconds)) +
           (fraction - other.fraction);
}

void sample_clock::set(std::uint64_t sample, const rx_time& time)
{
    d_anchor = time;
    d_anchor_sample = sample;
}

void sample_clock::set_rate(std::uint64_t sample, double samp_rate)
{
    d_anchor = at(sample);
    d_anchor_sample = sample;
    d_samp_rate = samp_rate;
}

std::optional<rx_time> sample_clock::at(std::uint64_t sample) const
{
    if (!d_anchor) {
        return std::nullopt;
    }
    const auto samples = static_cast<std::int64_t>(sample - d_anchor_sample);
    const rx_time time = d_anchor->after(samples, d_samp_rate);
    if (samples < 0 && time.seconds > d_anchor->seconds) {
        return std::nullopt; // before second 0, which no rx_time can say
    }
    return time;
}

std::int64_t sample_clock::lost(std::uint64_t sample, const rx_time& time) const
{
    constexpr std::int64_t rounding = 1; // sample; of fractions, and of drivers' clocks
    constexpr double most = 9e18;        // samples, about what an int64 holds
    const auto expected = at(sample);
    if (!expected) {
        return 0;
    }
    const double samples = time.since(*expected) * d_samp_rate;
    const std::int64_t lost = std::llround(std::clamp(samples, -most, most));
    return std::abs(lost) <= rounding ? 0 : lost;
}

double checked_settling(double settling)
{
    if (!(std::isfinite(settling) && settling >= 0)) {
        std::ostringstream text;
        text << "settling=" << settling << " is not a duration; give s, 0 or more";
        throw std::invalid_argument(text.str());
    }
    return settling;
}

namespace {

double checked_rate(double samp_rate)
{
    if (!(std::isfinite(samp_rate) && samp_rate > 0)) {
        std::ostringstream text;
        text << "samp_rate=" << samp_rate
             << " is not a rate; give complex samples per second, above 0";
        throw std::invalid_argument(text.str());
    }
    return samp_rate;
}

std::optional<double> checked_freq(std::optional<double> center_freq)
{
    if (center_freq && !std::isfinite(*center_freq)) {
        std::ostringstream text;
        text << "center_freq=" << *center_freq
             << " is not a frequency; give Hz, or None if it is not known";
        throw std::invalid_argument(text.str());
    }
    return center_freq;
}

//! Samples that reach into `duration` s; the excess of a rounded product counts as none.
std::uint64_t samples_in(double duration, double samp_rate)
{
    constexpr double rounding = 1e-6; // samples
    constexpr double most = 9e18;     // samples, a thousand years at any rate
    return static_cast<std::uint64_t>(
        std::clamp(std::ceil(duration * samp_rate - rounding), 0.0, most));
}

} // namespace

framer::framer(const spectrogram_shape& shape,
               sample_type type,
               double samp_rate,
               std::optional<double> center_freq)
    : d_kernel(frame_kernel::make(shape, type)),
      d_initial_rate(checked_rate(samp_rate)),
      d_initial_freq(checked_freq(center_freq)),
      d_clock(samp_rate)
{
    reset();
}

void framer::reset(std::uint64_t position)
{
    d_kernel->reset();
    d_index = 0;
    d_frame_start = position;
    d_position = position;
    d_clock = sample_clock(d_initial_rate);
    d_center_freq = d_initial_freq;
    d_settling = false;
    d_turn = 0;
    d_settling_samples = 0;
    d_change.reset();
    d_more = false;
    d_ended = false;
}

void framer::set_every(unsigned every)
{
    if (every < 1) {
        throw std::invalid_argument(
            "infer_every=0 must be at least 1: one frame in so many is inferred");
    }
    d_every = every;
}

std::size_t framer::feed(const void* samples, std::size_t count)
{
    if (count == 0 || d_ended) {
        return 0;
    }
    if (d_kernel->frame_complete()) {
        d_more = true;
        return 0;
    }
    if (d_settling_samples > 0) {
        count = std::min<std::uint64_t>(count, d_settling_samples);
    }
    const std::size_t taken = d_kernel->feed(samples, count).consumed;
    d_position += taken;
    if (d_settling_samples > 0) {
        d_settling_samples -= taken;
        if (d_settling_samples == 0) {
            cut({}); // the next sample is the first good one
        }
    }
    return taken;
}

void framer::cut(const stream_change& change)
{
    if (change.samp_rate) {
        checked_rate(*change.samp_rate);
    }
    checked_freq(change.center_freq);
    checked_settling(change.settling);
    if (!d_change) {
        d_change.emplace();
    }
    if (change.samp_rate) {
        d_change->samp_rate = change.samp_rate;
    }
    if (change.center_freq) {
        d_change->center_freq = change.center_freq;
    }
    if (change.time || change.time_lost) {
        d_change->time = change.time;
        d_change->time_lost = !change.time;
    }
    if (change.settling > 0) {
        d_settling_samples = samples_in(change.settling, samp_rate());
    }
    d_kernel->finish_run();
    if (d_kernel->empty()) {
        apply_change();
    }
}

sample_clock framer::next_clock() const
{
    sample_clock clock = d_clock;
    if (d_change && d_change->samp_rate) {
        clock.set_rate(d_position, *d_change->samp_rate);
    }
    if (d_change && d_change->time_lost) {
        clock.forget();
    }
    if (d_change && d_change->time) {
        clock.set(d_position, *d_change->time);
    }
    return clock;
}

void framer::apply_change()
{
    d_clock = next_clock();
    if (d_change->center_freq) {
        d_center_freq = d_change->center_freq;
    }
    if (d_change->center_freq || d_change->samp_rate) {
        d_turn = 0;
    }
    d_settling = d_settling_samples > 0;
    d_change.reset();
    d_kernel->set_skipping(is_skipped());
}

void framer::end()
{
    d_ended = true;
    d_kernel->finish_run();
}

bool framer::ready() const
{
    return d_kernel->frame_complete() &&
           (d_kernel->samples_ahead() > 0 || d_more || d_ended);
}

frame_info framer::info() const
{
    frame_info info;
    info.index = d_index;
    info.sample_start = d_frame_start;
    info.sample_count = d_kernel->shape().frame_samples();
    info.valid_samples = d_kernel->valid_samples();
    info.non_finite = d_kernel->non_finite();
    info.samp_rate = d_clock.samp_rate();
    info.center_freq = d_center_freq;
    info.time = d_clock.at(d_frame_start);
    info.settling = d_settling;
    info.skipped = d_kernel->skipping();
    info.limits = d_kernel->limits();
    info.last = d_ended && d_kernel->samples_ahead() == 0;
    return info;
}

void framer::release()
{
    d_index++;
    d_frame_start += d_kernel->valid_samples();
    d_more = false;
    if (!d_settling) {
        d_turn = d_turn + 1 < d_every ? d_turn + 1 : 0;
    }
    d_kernel->next_frame(is_skipped());
    if (d_change && d_kernel->empty()) {
        apply_change();
    }
}

double framer::samp_rate() const { return next_clock().samp_rate(); }

std::optional<double> framer::center_freq() const
{
    return d_change && d_change->center_freq ? d_change->center_freq : d_center_freq;
}

std::optional<rx_time> framer::clock() const { return next_clock().at(d_position); }

void framer::set_clock(const rx_time& time)
{
    if (d_change) {
        d_change->time = time;
        return;
    }
    d_clock.set(d_position, time);
}

std::int64_t framer::lost_samples(const rx_time& time) const
{
    return next_clock().lost(d_position, time);
}

} // namespace rfseg
} // namespace gr
