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
#include <limits>
#include <stdexcept>
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

unsigned checked_every(unsigned infer_every)
{
    if (infer_every < 1) {
        throw std::invalid_argument(
            "infer_every=0 must be at least 1: one frame in so many is inferred");
    }
    return infer_every;
}

} // namespace

spectrogram_sink::sptr spectrogram_sink::make(double samp_rate,
                                              const spectrogram_shape& shape,
                                              const std::string& item_type,
                                              std::optional<double> center_freq,
                                              bool lossless,
                                              double settling,
                                              unsigned infer_every)
{
    shape.validate();
    return gnuradio::make_block_sptr<spectrogram_sink_impl>(samp_rate,
                                                            shape,
                                                            to_sample_type(item_type),
                                                            center_freq,
                                                            lossless,
                                                            settling,
                                                            checked_every(infer_every));
}

spectrogram_sink_impl::spectrogram_sink_impl(double samp_rate,
                                             const spectrogram_shape& shape,
                                             sample_type type,
                                             std::optional<double> center_freq,
                                             bool lossless,
                                             double settling,
                                             unsigned infer_every)
    : gr::block("spectrogram_sink",
                gr::io_signature::make(1, 1, sample_size(type)),
                gr::io_signature::make(0, 1, shape.row_size() * sizeof(float))),
      d_item_size(sample_size(type)),
      d_framer(shape, type, samp_rate, center_freq),
      d_follower(d_framer,
                 settling,
                 lossless,
                 d_logger,
                 [this](const pmt::pmt_t& event, pmt::pmt_t fields) {
                     publish(event, std::move(fields));
                 }),
      d_infer_every(infer_every),
      d_emitted(0)
{
    set_tag_propagation_policy(TPP_DONT);
    set_min_output_buffer(0, waiting_rows(samp_rate, shape, lossless));
    message_port_register_in(symbols::freq);
    message_port_register_in(symbols::overflow);
    message_port_register_out(symbols::status);
    set_msg_handler(symbols::freq,
                    [this](const pmt::pmt_t& message) { d_follower.hear_freq(message); });
    set_msg_handler(symbols::overflow, [this](const pmt::pmt_t& message) {
        d_follower.hear_overflow(message);
    });
}

void spectrogram_sink_impl::set_infer_every(unsigned infer_every)
{
    d_infer_every = checked_every(infer_every);
}

bool spectrogram_sink_impl::start()
{
    // Whether started again or reconfigured, GNU Radio counts the stream's samples anew.
    d_framer.set_every(d_infer_every);
    d_framer.reset(nitems_read(0));
    d_follower.reset();
    d_emitted = 0;
    d_frames = d_non_finite = 0;
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

    get_tags_in_range(d_tags, 0, begin, end);
    d_follower.set_tags(d_tags);
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
        const std::uint64_t stretch = d_follower.follow(end) - position;
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
    if (d_framer.skipping()) {
        std::fill_n(out, rows * row_size, std::numeric_limits<float>::quiet_NaN());
    } else {
        std::memcpy(out,
                    d_framer.rows().data() + d_emitted * row_size,
                    rows * row_size * sizeof(float));
    }
    d_emitted += rows;
    return rows;
}

void spectrogram_sink_impl::finish_frame()
{
    d_emitted = 0;
    d_frames++;
    d_framer.set_every(d_infer_every);
    if (d_framer.skipping()) {
        d_framer.release();
        return;
    }
    std::shared_ptr<frame> newest = std::move(d_spare);
    if (!newest || newest.use_count() > 1) {
        newest = std::make_shared<frame>();
    }
    newest->info = d_framer.info();
    d_framer.swap_rows(newest->rows);
    d_framer.release();

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

void spectrogram_sink_impl::publish(const pmt::pmt_t& event, pmt::pmt_t fields)
{
    message_port_pub(symbols::status,
                     with(symbols::source,
                          symbols::spectrogram,
                          with(symbols::event, event, std::move(fields))));
}

} // namespace rfseg
} // namespace gr
