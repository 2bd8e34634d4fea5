/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "spectrogram_sink_impl.h"
#include "symbols.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <gnuradio/block_detail.h>
#include <gnuradio/buffer_reader.h>
#include <gnuradio/io_signature.h>

namespace gr {
namespace rfseg {

namespace {

// In live mode rows wait here for their masks; more than this is no longer live.
constexpr double waiting_seconds = 0.25;
constexpr std::uint64_t waiting_frames = 16;
constexpr std::uint64_t lossless_frames =
    4; // enough to fill one frame while another is read
constexpr std::uint64_t waiting_bytes = 64 << 20;

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

std::optional<double> to_real(const pmt::pmt_t& value)
{
    if (!(pmt::is_real(value) || pmt::is_integer(value) || pmt::is_uint64(value))) {
        return std::nullopt;
    }
    const double number = pmt::is_uint64(value)
                              ? static_cast<double>(pmt::to_uint64(value))
                              : pmt::to_double(value);
    return std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

std::optional<rx_time> to_rx_time(const pmt::pmt_t& value)
{
    if (!pmt::is_tuple(value) || pmt::length(value) != 2) {
        return std::nullopt;
    }
    const pmt::pmt_t seconds = pmt::tuple_ref(value, 0);
    const auto fraction = to_real(pmt::tuple_ref(value, 1));
    if (!fraction || !(*fraction >= 0 && *fraction < 1)) {
        return std::nullopt;
    }
    if (pmt::is_uint64(seconds)) {
        return rx_time{ pmt::to_uint64(seconds), *fraction };
    }
    if (pmt::is_integer(seconds) && pmt::to_long(seconds) >= 0) {
        return rx_time{ static_cast<std::uint64_t>(pmt::to_long(seconds)), *fraction };
    }
    return std::nullopt;
}

pmt::pmt_t to_pmt(const frame_info& info)
{
    pmt::pmt_t dict = pmt::make_dict();
    const auto add = [&dict](const pmt::pmt_t& key, const pmt::pmt_t& value) {
        dict = pmt::dict_add(dict, key, value);
    };
    add(symbols::index, pmt::from_uint64(info.index));
    add(symbols::sample_start, pmt::from_uint64(info.sample_start));
    add(symbols::sample_count, pmt::from_uint64(info.sample_count));
    add(symbols::valid_samples, pmt::from_uint64(info.valid_samples));
    add(symbols::non_finite, pmt::from_uint64(info.non_finite));
    add(symbols::samp_rate, pmt::from_double(info.samp_rate));
    if (info.center_freq) {
        add(symbols::center_freq, pmt::from_double(*info.center_freq));
    }
    if (info.time) {
        add(symbols::rx_time,
            pmt::make_tuple(pmt::from_uint64(info.time->seconds),
                            pmt::from_double(info.time->fraction)));
    }
    add(symbols::last, pmt::from_bool(info.last));
    return dict;
}

pmt::pmt_t
with(const pmt::pmt_t& key, const pmt::pmt_t& value, pmt::pmt_t dict = pmt::PMT_NIL)
{
    return pmt::dict_add(pmt::is_null(dict) ? pmt::make_dict() : dict, key, value);
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
                                              bool lossless)
{
    spectrogram_shape shape{ fft_size, hop, segments_per_row, rows, {} };
    for (const std::string& name : reductions) {
        shape.reductions.push_back(to_reduction(name));
    }
    shape.validate();
    return gnuradio::make_block_sptr<spectrogram_sink_impl>(
        samp_rate, shape, to_sample_type(item_type), center_freq, lossless);
}

spectrogram_sink_impl::spectrogram_sink_impl(double samp_rate,
                                             const spectrogram_shape& shape,
                                             sample_type type,
                                             std::optional<double> center_freq,
                                             bool lossless)
    : gr::block("spectrogram_sink",
                gr::io_signature::make(1, 1, sample_size(type)),
                gr::io_signature::make(0, 1, shape.row_size() * sizeof(float))),
      d_item_size(sample_size(type)),
      d_lossless(lossless),
      d_framer(shape, type, samp_rate, center_freq),
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

bool spectrogram_sink_impl::start()
{
    // Whether started again or reconfigured, GNU Radio counts the stream's samples anew.
    d_framer.reset(nitems_read(0));
    d_tags_before = nitems_read(0);
    d_emitted = 0;
    d_frames = d_gaps = d_overflows = d_bad_messages = d_non_finite = 0;
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
        const std::uint64_t stretch =
            (d_next_tag < d_tags.size() ? d_tags[d_next_tag].offset : end) - position;
        position += d_framer.feed(in + (position - begin) * d_item_size, stretch);
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
        publish(symbols::non_finite,
                with(symbols::sample,
                     pmt::from_uint64(info.sample_start),
                     with(symbols::non_finite,
                          pmt::from_uint64(info.non_finite),
                          with(symbols::total, pmt::from_uint64(d_non_finite)))));
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

void spectrogram_sink_impl::apply_tags(std::uint64_t sample)
{
    stream_change change;
    bool found = false;
    for (; d_next_tag < d_tags.size() && d_tags[d_next_tag].offset <= sample;
         d_next_tag++) {
        const tag_t& tag = d_tags[d_next_tag];
        found = true;
        if (tag.key == symbols::rx_rate) {
            follow_rate(tag, change);
        } else if (tag.key == symbols::rx_freq) {
            follow_freq(tag, change);
        } else {
            follow_time(tag, change);
        }
    }
    if (found) {
        d_tags_before = sample + 1;
        apply(change);
    }
}

void spectrogram_sink_impl::apply(const stream_change& change)
{
    if (change.samp_rate || change.center_freq || change.time) {
        d_framer.cut(change);
    }
}

void spectrogram_sink_impl::follow_rate(const tag_t& tag, stream_change& change)
{
    const auto rate = to_real(tag.value);
    if (!rate || *rate <= 0) {
        refuse(symbols::rx_rate,
               "rx_rate tag holds " + pmt::write_string(tag.value) +
                   ", expected a rate in Hz above 0");
        return;
    }
    if (*rate == d_framer.samp_rate()) {
        return;
    }
    change.samp_rate = rate;
    publish(symbols::rate_change,
            with(symbols::sample,
                 pmt::from_uint64(tag.offset),
                 with(symbols::samp_rate, pmt::from_double(*rate))));
}

void spectrogram_sink_impl::follow_time(const tag_t& tag, stream_change& change)
{
    const auto time = to_rx_time(tag.value);
    if (!time) {
        refuse(
            symbols::rx_time,
            "rx_time tag holds " + pmt::write_string(tag.value) +
                ", expected a tuple of whole seconds (u64) and a fraction below 1 (f64)");
        return;
    }
    const auto expected = d_framer.clock();
    const double samples = expected ? time->since(*expected) * d_framer.samp_rate() : 0;
    if (std::abs(samples) <= 1) {
        d_framer.set_clock(*time);
        return;
    }
    change.time = time;
    d_gaps++;
    const long lost = std::lround(samples);
    if (d_gap_log.due()) {
        d_logger->warn("rx_time jumps by {:d} samples at sample {:d}; {:d} gaps so far",
                       lost,
                       tag.offset,
                       d_gaps.load());
    }
    publish(symbols::gap,
            with(symbols::sample,
                 pmt::from_uint64(tag.offset),
                 with(symbols::lost_samples,
                      pmt::from_long(lost),
                      with(symbols::gaps, pmt::from_uint64(d_gaps)))));
}

void spectrogram_sink_impl::follow_freq(const tag_t& tag, stream_change& change)
{
    const auto freq = to_real(tag.value);
    if (!freq) {
        refuse(symbols::rx_freq,
               "rx_freq tag holds " + pmt::write_string(tag.value) +
                   ", expected a frequency in Hz");
        return;
    }
    retune(*freq, change);
}

void spectrogram_sink_impl::retune(double freq, stream_change& change)
{
    const std::optional<double> current = d_framer.center_freq();
    if (current == freq) {
        change.center_freq.reset(); // of two tags on one sample the later one holds
        return;
    }
    change.center_freq = freq;
    if (!current && d_framer.position() == 0) {
        return; // the stream begins by saying where it is: no retune
    }
    publish(symbols::retune,
            with(symbols::sample,
                 pmt::from_uint64(d_framer.position()),
                 with(symbols::center_freq, pmt::from_double(freq))));
}

void spectrogram_sink_impl::on_freq(const pmt::pmt_t& message)
{
    std::optional<double> freq;
    if (pmt::is_dict(message)) {
        freq = to_real(pmt::dict_ref(message, symbols::freq, pmt::PMT_NIL));
    } else if (pmt::is_pair(message)) {
        if (pmt::equal(pmt::car(message), symbols::freq)) {
            freq = to_real(pmt::cdr(message));
        }
    } else {
        freq = to_real(message);
    }
    if (!freq) {
        refuse(
            symbols::freq,
            "message is " + pmt::write_string(message) +
                ", expected a number in Hz, a pair (freq . number) or a dict with freq");
        return;
    }
    stream_change change;
    retune(*freq, change);
    apply(change);
}

void spectrogram_sink_impl::on_overflow(const pmt::pmt_t& message)
{
    pmt::pmt_t event = message;
    if (pmt::is_dict(message)) {
        event = pmt::dict_ref(message, symbols::event, pmt::PMT_NIL);
    } else if (pmt::is_pair(message)) {
        event = pmt::car(message);
    }
    if (!pmt::is_symbol(event)) {
        refuse(symbols::overflow,
               "message is " + pmt::write_string(message) +
                   ", expected the symbol overflow or a dict whose event is overflow");
        return;
    }
    if (event != symbols::overflow) {
        return; // a source's asynchronous port also speaks of other things
    }
    d_overflows++;
    d_framer.cut({});
    const pmt::pmt_t sample = pmt::from_uint64(d_framer.position());
    publish(symbols::overflow,
            with(symbols::sample,
                 sample,
                 with(symbols::overflows, pmt::from_uint64(d_overflows))));
    if (d_overflow_log.due()) {
        d_logger->warn("the source overflowed near sample {:d}; {:d} times so far{:s}",
                       d_framer.position(),
                       d_overflows.load(),
                       d_lossless ? "; lossless mode holds the source up, use live mode"
                                  : "");
        if (d_lossless) {
            publish(symbols::lossless_overflow, with(symbols::sample, sample));
        }
    }
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
