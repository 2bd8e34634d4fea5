/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include <cmath>
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

} // namespace

framer::framer(const spectrogram_shape& shape,
               sample_type type,
               double samp_rate,
               std::optional<double> center_freq)
    : d_kernel(shape, type),
      d_initial_rate(checked_rate(samp_rate)),
      d_initial_freq(checked_freq(center_freq))
{
    reset();
}

void framer::reset(std::uint64_t position)
{
    d_kernel.reset();
    d_index = 0;
    d_frame_start = position;
    d_position = position;
    d_samp_rate = d_initial_rate;
    d_center_freq = d_initial_freq;
    d_anchor.reset();
    d_anchor_sample = position;
    d_change.reset();
    d_more = false;
    d_ended = false;
}

std::size_t framer::feed(const void* samples, std::size_t count)
{
    if (count == 0 || d_ended) {
        return 0;
    }
    if (d_kernel.frame_complete()) {
        d_more = true;
        return 0;
    }
    const std::size_t taken = d_kernel.feed(samples, count).consumed;
    d_position += taken;
    return taken;
}

void framer::cut(const stream_change& change)
{
    if (change.samp_rate) {
        checked_rate(*change.samp_rate);
    }
    checked_freq(change.center_freq);
    if (!d_change) {
        d_change.emplace();
    }
    if (change.samp_rate) {
        // The clock runs on at the new rate from here.
        d_change->time = clock();
        d_change->samp_rate = change.samp_rate;
    }
    if (change.center_freq) {
        d_change->center_freq = change.center_freq;
    }
    if (change.time) {
        d_change->time = change.time;
    }
    d_kernel.finish_run();
    if (d_kernel.empty()) {
        apply_change();
    }
}

void framer::apply_change()
{
    d_samp_rate = d_change->samp_rate.value_or(d_samp_rate);
    if (d_change->center_freq) {
        d_center_freq = d_change->center_freq;
    }
    if (d_change->time) {
        d_anchor = d_change->time;
        d_anchor_sample = d_position;
    }
    d_change.reset();
}

void framer::end()
{
    d_ended = true;
    d_kernel.finish_run();
}

bool framer::ready() const
{
    return d_kernel.frame_complete() &&
           (d_kernel.samples_ahead() > 0 || d_more || d_ended);
}

frame_info framer::info() const
{
    frame_info info;
    info.index = d_index;
    info.sample_start = d_frame_start;
    info.sample_count = d_kernel.shape().frame_samples();
    info.valid_samples = d_kernel.valid_samples();
    info.non_finite = d_kernel.non_finite();
    info.samp_rate = d_samp_rate;
    info.center_freq = d_center_freq;
    if (d_anchor) {
        info.time = d_anchor->after(
            static_cast<std::int64_t>(d_frame_start - d_anchor_sample), d_samp_rate);
    }
    info.last = d_ended && d_kernel.samples_ahead() == 0;
    return info;
}

void framer::release()
{
    d_index++;
    d_frame_start += d_kernel.valid_samples();
    d_more = false;
    d_kernel.next_frame();
    if (d_change && d_kernel.empty()) {
        apply_change();
    }
}

double framer::samp_rate() const
{
    return d_change ? d_change->samp_rate.value_or(d_samp_rate) : d_samp_rate;
}

std::optional<double> framer::center_freq() const
{
    return d_change && d_change->center_freq ? d_change->center_freq : d_center_freq;
}

std::optional<rx_time> framer::clock() const
{
    if (d_change && d_change->time) {
        return d_change->time;
    }
    if (!d_anchor) {
        return std::nullopt;
    }
    return d_anchor->after(static_cast<std::int64_t>(d_position - d_anchor_sample),
                           d_samp_rate);
}

void framer::set_clock(const rx_time& time)
{
    if (d_change) {
        d_change->time = time;
        return;
    }
    d_anchor = time;
    d_anchor_sample = d_position;
}

} // namespace rfseg
} // namespace gr
