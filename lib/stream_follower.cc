/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "stream_follower.h"
#include "stream_values.h"
#include "symbols.h"
#include <algorithm>

namespace gr {
namespace rfseg {

namespace {

// How far a message may be from the tag that it belongs to: UHD's source sends one within
// 0.75 s of an overflow, and buffers hold less.
constexpr double patience_seconds = 1;

std::optional<double> rate_of(const pmt::pmt_t& value)
{
    const auto rate = to_real(value);
    return rate && *rate > 0 ? rate : std::nullopt;
}

} // namespace

stream_follower::stream_follower(framer& framed,
                                 double settling,
                                 bool lossless,
                                 gr::logger_ptr logger,
                                 publisher publish)
    : d_framer(framed),
      d_lossless(lossless),
      d_logger(std::move(logger)),
      d_publish(std::move(publish)),
      d_settling(checked_settling(settling))
{
}

void stream_follower::set_settling(double settling)
{
    d_settling = checked_settling(settling);
}

void stream_follower::reset()
{
    d_begin = d_tags_before = d_framer.position();
    d_tags.clear();
    d_next_tag = 0;
    d_time_due.reset();
    d_gap_told.reset();
    d_freq_told.reset();
    d_settling_since.reset();
    d_gaps = d_lost_samples = d_settling_samples = d_overflows = d_bad_messages = 0;
}

void stream_follower::set_tags(std::vector<tag_t>& tags)
{
    const auto is_new = [this](const tag_t& tag) {
        return tag.offset >= d_tags_before &&
               (tag.key == symbols::rx_time || tag.key == symbols::rx_rate ||
                tag.key == symbols::rx_freq);
    };
    d_tags.clear();
    std::copy_if(tags.begin(), tags.end(), std::back_inserter(d_tags), is_new);
    std::stable_sort(d_tags.begin(), d_tags.end(), tag_t::offset_compare);
    d_next_tag = 0;
}

std::uint64_t stream_follower::follow(std::uint64_t end)
{
    const std::uint64_t sample = d_framer.position();
    watch_settling(sample);
    apply_tags(sample);
    give_up_time(sample);
    return next_change(end);
}

std::uint64_t stream_follower::next_change(std::uint64_t end) const
{
    if (d_next_tag < d_tags.size()) {
        end = d_tags[d_next_tag].offset;
    }
    return d_time_due ? std::min(end, *d_time_due) : end;
}

void stream_follower::apply_tags(std::uint64_t sample)
{
    // Of several of a kind on one sample the last one holds.
    std::optional<double> rate, freq;
    std::optional<rx_time> time;
    bool found = false;
    for (; d_next_tag < d_tags.size() && d_tags[d_next_tag].offset <= sample;
         d_next_tag++) {
        const tag_t& tag = d_tags[d_next_tag];
        found = true;
        if (tag.key == symbols::rx_rate) {
            read_tag(tag, rate_of(tag.value), rate, "a rate in Hz above 0");
        } else if (tag.key == symbols::rx_freq) {
            read_tag(tag, to_real(tag.value), freq, "a frequency in Hz");
        } else {
            read_tag(tag,
                     to_rx_time(tag.value),
                     time,
                     "a tuple of whole seconds (u64) and a fraction below 1 (f64)");
        }
    }
    if (!found) {
        return;
    }
    d_tags_before = sample + 1;
    stream_change change;
    if (time) {
        follow_time(*time, change); // lost samples count at the rate before
    }
    if (rate) {
        follow_rate(*rate, change);
    }
    if (freq) {
        follow_freq(*freq, change);
    }
    apply(change);
}

template <typename value>
void stream_follower::read_tag(const tag_t& tag,
                               const std::optional<value>& read,
                               std::optional<value>& to,
                               const char* expected)
{
    if (read) {
        to = read;
        return;
    }
    refuse(tag.key,
           pmt::symbol_to_string(tag.key) + " tag holds " + pmt::write_string(tag.value) +
               ", expected " + expected);
}

void stream_follower::apply(const stream_change& change)
{
    if (!(change.samp_rate || change.center_freq || change.time)) {
        return;
    }
    d_framer.cut(change);
    const std::uint64_t settling = d_framer.settling_samples();
    if (change.settling > 0 && settling > 0) {
        const std::uint64_t sample = d_framer.position();
        d_settling_since = d_settling_since.value_or(sample);
        publish_sample(symbols::settling,
                       sample,
                       with(symbols::settling_samples, pmt::from_uint64(settling)));
    }
}

void stream_follower::watch_settling(std::uint64_t sample)
{
    if (!d_settling_since || d_framer.settling_samples() > 0) {
        return;
    }
    const std::uint64_t settled = sample - *d_settling_since;
    d_settling_since.reset();
    d_settling_samples += settled;
    publish_sample(symbols::settled,
                   sample,
                   with(symbols::settling_samples,
                        pmt::from_uint64(settled),
                        with(symbols::total, pmt::from_uint64(d_settling_samples))));
}

void stream_follower::follow_rate(double rate, stream_change& change)
{
    if (rate == d_framer.samp_rate()) {
        return;
    }
    change.samp_rate = rate;
    if (d_framer.position() > d_begin) {
        change.settling = d_settling;
    }
    publish_sample(symbols::rate_change,
                   d_framer.position(),
                   with(symbols::samp_rate, pmt::from_double(rate)));
}

void stream_follower::follow_time(const rx_time& time, stream_change& change)
{
    const std::uint64_t sample = d_framer.position();
    d_time_due.reset();
    const std::int64_t lost = d_framer.lost_samples(time);
    if (lost == 0) {
        d_framer.set_clock(time);
        return;
    }
    change.time = time;
    d_gap_told = sample;
    d_gaps++;
    d_lost_samples += std::max<std::int64_t>(lost, 0);
    if (d_gap_log.due()) {
        d_logger->warn("rx_time jumps by {:d} samples at sample {:d}; {:d} gaps so far",
                       lost,
                       sample,
                       d_gaps.load());
    }
    publish_sample(symbols::gap,
                   sample,
                   with(symbols::lost_samples,
                        pmt::from_long(lost),
                        with(symbols::gaps,
                             pmt::from_uint64(d_gaps),
                             with(symbols::total, pmt::from_uint64(d_lost_samples)))));
}

void stream_follower::follow_freq(double freq, stream_change& change)
{
    // A message runs ahead of the samples, a tag is where they change: the first tag
    // after a message is the retune even if it names the same frequency.
    const std::uint64_t sample = d_framer.position();
    const bool confirms =
        d_freq_told && sample > *d_freq_told && sample - *d_freq_told <= patience();
    d_freq_told.reset();
    const std::optional<double> current = d_framer.center_freq();
    if (current == freq && !confirms) {
        return;
    }
    change.center_freq = freq;
    if (sample > d_begin) {
        change.settling = d_settling;
    } else if (!current) {
        return; // the stream begins by saying where it is: no retune
    }
    tell_retune(freq);
}

void stream_follower::hear_freq(const pmt::pmt_t& message)
{
    const auto freq = freq_of(message);
    if (!freq) {
        refuse(
            symbols::freq,
            "message is " + pmt::write_string(message) +
                ", expected a number in Hz, a pair (freq . number) or a dict with freq");
        return;
    }
    if (d_framer.center_freq() == *freq) {
        return;
    }
    watch_settling(d_framer.position());
    d_freq_told = d_framer.position();
    stream_change change;
    change.center_freq = *freq;
    change.settling = d_settling;
    tell_retune(*freq);
    apply(change);
}

void stream_follower::tell_retune(double freq)
{
    publish_sample(symbols::retune,
                   d_framer.position(),
                   with(symbols::center_freq, pmt::from_double(freq)));
}

void stream_follower::hear_overflow(const pmt::pmt_t& message)
{
    const auto count = overflows_of(message);
    if (!count) {
        refuse(symbols::overflow,
               "message is " + pmt::write_string(message) +
                   ", expected the symbol overflow, a dict whose event is overflow, or"
                   " (uhd_async_msg . dict)");
        return;
    }
    if (*count == 0) {
        return; // a source's asynchronous port also speaks of other things
    }
    d_overflows += *count;
    const std::uint64_t sample = d_framer.position();
    watch_settling(sample);
    place_overflow(sample);
    publish_sample(symbols::overflow,
                   sample,
                   with(symbols::overflows, pmt::from_uint64(d_overflows)));
    if (d_overflow_log.due()) {
        d_logger->warn("the source overflowed near sample {:d}; {:d} times so far{:s}",
                       sample,
                       d_overflows.load(),
                       d_lossless ? "; lossless mode holds the source up, use live mode"
                                  : "");
        if (d_lossless) {
            publish_sample(symbols::lossless_overflow, sample);
        }
    }
}

void stream_follower::place_overflow(std::uint64_t sample)
{
    // A message does not say at which sample; the rx_time tag that a source writes after
    // an overflow does, whether it is to come or came already.
    if (!d_framer.clock()) {
        d_framer.cut({});
    } else if (!d_time_due && !(d_gap_told && sample - *d_gap_told <= patience())) {
        d_time_due = sample + patience();
    }
}

void stream_follower::give_up_time(std::uint64_t sample)
{
    if (!d_time_due || sample < *d_time_due) {
        return;
    }
    d_time_due.reset();
    stream_change change;
    change.time_lost = true;
    d_framer.cut(change);
    publish_sample(symbols::time_lost, sample);
}

std::uint64_t stream_follower::patience() const
{
    return static_cast<std::uint64_t>(d_framer.samp_rate() * patience_seconds);
}

void stream_follower::publish_sample(const pmt::pmt_t& event,
                                     std::uint64_t sample,
                                     pmt::pmt_t fields)
{
    d_publish(event, with(symbols::sample, pmt::from_uint64(sample), std::move(fields)));
}

void stream_follower::refuse(const pmt::pmt_t& port, const std::string& reason)
{
    d_bad_messages++;
    if (d_bad_message_log.due()) {
        d_logger->warn("{:s} is ignored; {:d} so far", reason, d_bad_messages.load());
    }
    d_publish(symbols::bad_message,
              with(symbols::port,
                   port,
                   with(symbols::reason,
                        pmt::intern(reason),
                        with(symbols::total, pmt::from_uint64(d_bad_messages)))));
}

} // namespace rfseg
} // namespace gr
