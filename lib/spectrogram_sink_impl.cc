/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "spectrogram_sink_impl.h"
#include "stream_values.h"
#include "symbols.h"
#include <algorithm>
#include <cstring>
#include <gnuradio/block_detail.h>
#include <gnuradio/buffer_reader.h>
#include <gnuradio/io_signature.h>
#include <string>

namespace gr {
namespace rfseg {

namespace {

// In live mode rows wait here for their masks; more than this is no longer live.
constexpr double waiting_seconds = 0.25;
constexpr std::uint64_t waiting_frames = 16;
constexpr std::uint64_t lossless_frames =
    4; // enough to fill one frame while another is read
constexpr std::uint64_t waiting_bytes = 64 << 20;

// How far a message may be from the tag that it belongs to: UHD's source sends one within
// 0.75 s of an overflow, and buffers hold less.
constexpr double patience_seconds = 1;

long waiting_rows(double samp_rate, const spectrogram_shape& shape, bool lossless)
{
    const auto timed_rows =
        static_cast<std::uint64_t>(waiting_seconds * samp_rate / shape.row_samples());
    const std::uint64_t rows =
        lossless ? lossless_frames * shape.rows
                 : std::max<std::uint64_t>(waiting_frames * shape.rows, timed_rows);
    const std::uint64_t fitting = waiting_bytes / (shape.row_size() * sizeof(float));
    return static_cast<long>(std::max<std::uint64_t>(std::min(rows, fitting), 1));
}

std::optional<double> rate_of(const pmt::pmt_t& value)
{
    const auto rate = to_real(value);
    return rate && *rate > 0 ? rate : std::nullopt;
}

} // namespace

spectrogram_sink::sptr spectrogram_sink::make(double samp_rate,
                                              unsigned fft_size,
                                              unsigned hop,
                                              unsigned segments_per_row,
                                              unsigned rows,
                                              const std::vector<std::string>& reductions,
                                              const std::string& item_type,
                                              std::optional<double> center_freq,
                                              bool lossless,
                                              double settling)
{
    spectrogram_shape shape{ fft_size, hop, segments_per_row, rows, {} };
    for (const std::string& name : reductions) {
        shape.reductions.push_back(to_reduction(name));
    }
    shape.validate();
    return gnuradio::make_block_sptr<spectrogram_sink_impl>(
        samp_rate, shape, to_sample_type(item_type), center_freq, lossless, settling);
}

spectrogram_sink_impl::spectrogram_sink_impl(double samp_rate,
                                             const spectrogram_shape& shape,
                                             sample_type type,
                                             std::optional<double> center_freq,
                                             bool lossless,
                                             double settling)
    : gr::block("spectrogram_sink",
                gr::io_signature::make(1, 1, sample_size(type)),
                gr::io_signature::make(0, 1, shape.row_size() * sizeof(float))),
      d_item_size(sample_size(type)),
      d_lossless(lossless),
      d_framer(shape, type, samp_rate, center_freq),
      d_settling(checked_settling(settling)),
      d_next_tag(0),
      d_tags_before(0),
      d_emitted(0)
{
    set_tag_propagation_policy(TPP_DONT);
    set_min_output_buffer(0, waiting_rows(samp_rate, shape, lossless));
    message_port_register_in(symbols::freq);
    message_port_register_in(symbols::overflow);
    message_port_register_out(symbols::status);
    set_msg_handler(symbols::freq,
                    [this](const pmt::pmt_t& message) { on_freq(message); });
    set_msg_handler(symbols::overflow,
                    [this](const pmt::pmt_t& message) { on_overflow(message); });
}

void spectrogram_sink_impl::set_settling(double settling)
{
    d_settling = checked_settling(settling);
}

bool spectrogram_sink_impl::start()
{
    // Whether started again or reconfigured, GNU Radio counts the stream's samples anew.
    d_framer.reset(nitems_read(0));
    d_begin = d_tags_before = nitems_read(0);
    d_emitted = 0;
    d_time_due.reset();
    d_gap_told.reset();
    d_freq_told.reset();
    d_settling_since.reset();
    d_frames = d_gaps = d_overflows = d_bad_messages = d_non_finite = 0;
    d_lost_samples = d_settling_samples = 0;
    {
        std::scoped_lock lock(d_latest_mutex);
        d_latest.reset();
    }
    return block::start();
}

bool spectrogram_sink_impl::stop()
{
    // Without an output the scheduler does not ask again once the input is used up.
    const auto& state = detail();
    if (state && state->ninputs() == 1 && state->noutputs() == 0 && input_exhausted(0)) {
        d_framer.end();
        while (d_framer.ready()) {
            finish_frame();
        }
    }
    return block::stop();
}

bool spectrogram_sink_impl::input_done() const
{
    const auto reader = detail()->input(0);
    gr::thread::scoped_lock lock(*reader->mutex());
    return reader->done();
}

bool spectrogram_sink_impl::input_exhausted(int taken) const
{
    const auto reader = detail()->input(0);
    gr::thread::scoped_lock lock(*reader->mutex());
    return reader->done() && reader->items_available() == taken;
}

void spectrogram_sink_impl::forecast(int, gr_vector_int& ninput_items_required)
{
    const bool flushing = d_framer.ready() || d_framer.ended() || input_done();
    ninput_items_required[0] = flushing ? 0 : 1;
}

int spectrogram_sink_impl::general_work(int noutput_items,
                                        gr_vector_int& ninput_items,
                                        gr_vector_const_void_star& input_items,
                                        gr_vector_void_star& output_items)
{
    const char* in = static_cast<const char*>(input_items[0]);
    const std::uint64_t begin = nitems_read(0);
    const std::uint64_t end = begin + ninput_items[0];
    const bool connected = !output_items.empty();
    float* out = connected ? static_cast<float*>(output_items[0]) : nullptr;
    const std::size_t row_size = shape().row_size();
    int produced = 0;
    std::uint64_t position = begin;

    load_tags(begin, end);
    while (true) {
        if (d_framer.ready()) {
            if (connected) {
                produced += emit_rows(out + produced * row_size,
                                      noutput_items - produced,
                                      nitems_written(0) + produced);
                if (d_emitted < shape().rows) {
                    break; // no space: the rest goes out in the next call
                }
            }
            finish_frame();
            continue;
        }
        if (position == end) {
            if (d_framer.ended() || !input_exhausted(static_cast<int>(end - begin))) {
                break;
            }
            d_framer.end();
            continue;
        }
        apply_tags(position);
        give_up_time(position);
        const std::uint64_t stretch = next_event(end) - position;
        position += d_framer.feed(in + (position - begin) * d_item_size, stretch);
        watch_settling(position);
    }
    consume(0, static_cast<int>(position - begin));
    if (d_framer.ended() && !d_framer.ready() && produced == 0) {
        return WORK_DONE;
    }
    return produced;
}

int spectrogram_sink_impl::emit_rows(float* out, int space, std::uint64_t row)
{
    if (d_emitted == 0 && space > 0) {
        add_item_tag(0, row, symbols::frame, to_pmt(d_framer.info()), alias_pmt());
    }
    const int rows = std::min<int>(space, shape().rows - d_emitted);
    const std::size_t row_size = shape().row_size();
    std::memcpy(out,
                d_framer.rows().data() + d_emitted * row_size,
                rows * row_size * sizeof(float));
    d_emitted += rows;
    return rows;
}

void spectrogram_sink_impl::finish_frame()
{
    std::shared_ptr<frame> newest = std::move(d_spare);
    if (!newest || newest.use_count() > 1) {
        newest = std::make_shared<frame>();
    }
    newest->info = d_framer.info();
    d_framer.swap_rows(newest->rows);
    d_framer.release();
    d_emitted = 0;
    d_frames++;

    const frame_info& info = newest->info;
    if (info.non_finite > 0) {
        d_non_finite += info.non_finite;
        if (d_non_finite_log.due()) {
            d_logger->warn(
                "{:d} samples of the frame at sample {:d} are NaN or infinite and"
                " read as 0; {:d} so far",
                info.non_finite,
                info.sample_start,
                d_non_finite.load());
        }
        publish_sample(symbols::non_finite,
                       info.sample_start,
                       with(symbols::non_finite,
                            pmt::from_uint64(info.non_finite),
                            with(symbols::total, pmt::from_uint64(d_non_finite))));
    }

    std::scoped_lock lock(d_latest_mutex);
    d_spare = std::move(d_latest);
    d_latest = std::move(newest);
}

std::shared_ptr<const spectrogram_sink::frame> spectrogram_sink_impl::latest_frame() const
{
    std::scoped_lock lock(d_latest_mutex);
    return d_latest;
}

void spectrogram_sink_impl::load_tags(std::uint64_t begin, std::uint64_t end)
{
    get_tags_in_range(d_tags, 0, std::max(begin, d_tags_before), end);
    d_tags.erase(std::remove_if(d_tags.begin(),
                                d_tags.end(),
                                [](const tag_t& tag) {
                                    return tag.key != symbols::rx_time &&
                                           tag.key != symbols::rx_rate &&
                                           tag.key != symbols::rx_freq;
                                }),
                 d_tags.end());
    std::stable_sort(d_tags.begin(), d_tags.end(), tag_t::offset_compare);
    d_next_tag = 0;
}

std::uint64_t spectrogram_sink_impl::next_event(std::uint64_t end) const
{
    if (d_next_tag < d_tags.size()) {
        end = d_tags[d_next_tag].offset;
    }
    return d_time_due ? std::min(end, *d_time_due) : end;
}

void spectrogram_sink_impl::apply_tags(std::uint64_t sample)
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
void spectrogram_sink_impl::read_tag(const tag_t& tag,
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

void spectrogram_sink_impl::apply(const stream_change& change)
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

void spectrogram_sink_impl::watch_settling(std::uint64_t sample)
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

void spectrogram_sink_impl::follow_rate(double rate, stream_change& change)
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

void spectrogram_sink_impl::follow_time(const rx_time& time, stream_change& change)
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

void spectrogram_sink_impl::follow_freq(double freq, stream_change& change)
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

void spectrogram_sink_impl::on_freq(const pmt::pmt_t& message)
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
    d_freq_told = d_framer.position();
    stream_change change;
    change.center_freq = *freq;
    change.settling = d_settling;
    tell_retune(*freq);
    apply(change);
}

void spectrogram_sink_impl::tell_retune(double freq)
{
    publish_sample(symbols::retune,
                   d_framer.position(),
                   with(symbols::center_freq, pmt::from_double(freq)));
}

void spectrogram_sink_impl::on_overflow(const pmt::pmt_t& message)
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

void spectrogram_sink_impl::place_overflow(std::uint64_t sample)
{
    // A message does not say at which sample; the rx_time tag that a source writes after
    // an overflow does, whether it is to come or came already.
    if (!d_framer.clock()) {
        d_framer.cut({});
    } else if (!d_time_due && !(d_gap_told && sample - *d_gap_told <= patience())) {
        d_time_due = sample + patience();
    }
}

void spectrogram_sink_impl::give_up_time(std::uint64_t sample)
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

std::uint64_t spectrogram_sink_impl::patience() const
{
    return static_cast<std::uint64_t>(d_framer.samp_rate() * patience_seconds);
}

void spectrogram_sink_impl::publish_sample(const pmt::pmt_t& event,
                                           std::uint64_t sample,
                                           pmt::pmt_t fields)
{
    publish(event, with(symbols::sample, pmt::from_uint64(sample), std::move(fields)));
}

void spectrogram_sink_impl::publish(const pmt::pmt_t& event, pmt::pmt_t fields)
{
    message_port_pub(symbols::status,
                     with(symbols::source,
                          symbols::spectrogram,
                          with(symbols::event, event, std::move(fields))));
}

void spectrogram_sink_impl::refuse(const pmt::pmt_t& port, const std::string& reason)
{
    d_bad_messages++;
    if (d_bad_message_log.due()) {
        d_logger->warn("{:s} is ignored; {:d} so far", reason, d_bad_messages.load());
    }
    publish(symbols::bad_message,
            with(symbols::port,
                 port,
                 with(symbols::reason,
                      pmt::intern(reason),
                      with(symbols::total, pmt::from_uint64(d_bad_messages)))));
}

} // namespace rfseg
} // namespace gr
