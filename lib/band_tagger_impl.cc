/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "band_tagger_impl.h"
#include "symbols.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <gnuradio/block_detail.h>
#include <gnuradio/buffer_reader.h>
#include <gnuradio/io_signature.h>
#include <sstream>
#include <stdexcept>

namespace gr {
namespace rfseg {

namespace {

constexpr double stall_seconds = 10;
constexpr double longest_wait = 0.05;    // s, between two looks at the clock
constexpr double arrivals_per_hold = 64; // how finely the time of arrival is kept

std::optional<std::uint64_t> to_unsigned(const pmt::pmt_t& value)
{
    if (pmt::is_uint64(value)) {
        return pmt::to_uint64(value);
    }
    if (pmt::is_integer(value) && pmt::to_long(value) >= 0) {
        return static_cast<std::uint64_t>(pmt::to_long(value));
    }
    return std::nullopt;
}

std::optional<std::uint64_t> unsigned_of(const pmt::pmt_t& dict, const pmt::pmt_t& key)
{
    return to_unsigned(pmt::dict_ref(dict, key, pmt::PMT_NIL));
}

bool is_band(const pmt::pmt_t& band)
{
    if (!pmt::is_dict(band) || pmt::is_null(band)) {
        return false;
    }
    const auto start = unsigned_of(band, symbols::sample_start);
    const auto count = unsigned_of(band, symbols::sample_count);
    return start && count && *count > 0 && *start + *count > *start &&
           unsigned_of(band, symbols::id);
}

template <typename value>
[[noreturn]] void
refuse_argument(const char* name, const value& given, const char* expected)
{
    std::ostringstream text;
    text << name << "=" << given << " " << expected;
    throw std::invalid_argument(text.str());
}

} // namespace

band_tagger::sptr band_tagger::make(std::size_t item_size,
                                    const std::string& mode,
                                    double hold_seconds,
                                    std::uint64_t ring_samples)
{
    if (item_size != 2 && item_size != 4 && item_size != 8) {
        refuse_argument(
            "item_size",
            item_size,
            "is no complex sample; give 8 (complex64), 4 (int16) or 2 (int8)");
    }
    if (mode != "live" && mode != "lossless") {
        refuse_argument(
            "mode", "\"" + mode + "\"", "is not known; choose live or lossless");
    }
    if (!(std::isfinite(hold_seconds) && hold_seconds >= 0)) {
        refuse_argument("hold_seconds", hold_seconds, "must be a time in s, 0 or more");
    }
    constexpr std::uint64_t most_samples = std::uint64_t(1) << 36;
    if (ring_samples < 1 || ring_samples > most_samples) {
        refuse_argument(
            "ring_samples",
            ring_samples,
            "must lie in 1 to 2^36; give the samples of all frames queued and two more");
    }
    return gnuradio::make_block_sptr<band_tagger_impl>(
        item_size, mode == "live", hold_seconds, ring_samples);
}

band_tagger_impl::band_tagger_impl(std::size_t item_size,
                                   bool live,
                                   double hold_seconds,
                                   std::uint64_t ring_samples)
    : gr::block("band_tagger",
                gr::io_signature::make(1, 1, item_size),
                gr::io_signature::make(1, 1, item_size)),
      d_item_size(item_size),
      d_live(live),
      d_hold(hold_seconds),
      d_capacity(ring_samples),
      d_ring(new char[ring_samples * item_size]), // pages are touched only when used
      d_stall_timeout(stall_seconds),
      d_received(0),
      d_has_run(false)
{
    set_tag_propagation_policy(TPP_DONT);
    message_port_register_in(symbols::bands);
    message_port_register_out(symbols::late);
    set_msg_handler(symbols::bands,
                    [this](const pmt::pmt_t& message) { on_bands(message); });
}

void band_tagger_impl::set_stall_timeout(double seconds)
{
    if (!(std::isfinite(seconds) && seconds > 0)) {
        refuse_argument("seconds", seconds, "must be a time in s, above 0");
    }
    d_stall_timeout = seconds;
}

bool band_tagger_impl::start()
{
    // Whether started again or reconfigured, GNU Radio counts the stream's samples anew,
    // and what the run before left in the queue speaks of other samples.
    if (d_has_run) {
        while (delete_head_nowait(symbols::bands)) {
        }
    }
    d_received = nitems_read(0);
    d_released = nitems_written(0);
    d_held = 0;
    d_watermark = 0;
    d_expired = 0;
    d_last = false;
    d_flushing = false;
    d_stalled = false;
    d_frame_samples = 0;
    d_arrivals.clear();
    d_tags.clear();
    d_band_tags.clear();
    d_late_bands = d_bad_messages = 0;
    d_done_seen = false;
    d_has_run = true;
    d_progress = clock::now();
    return block::start();
}

void band_tagger_impl::on_bands(const pmt::pmt_t& message)
{
    if (!pmt::is_dict(message) || pmt::is_null(message)) {
        refuse("message is " + pmt::write_string(message) + ", expected a dict");
        return;
    }
    const auto watermark = unsigned_of(message, symbols::watermark);
    const pmt::pmt_t bands = pmt::dict_ref(message, symbols::bands, pmt::PMT_NIL);
    if (!watermark) {
        refuse("message has no watermark (u64)");
        return;
    }
    if (!pmt::is_vector(bands)) {
        refuse("message has no bands (a vector of dicts, empty where there are none)");
        return;
    }
    for (std::size_t i = 0; i < pmt::length(bands); i++) {
        const pmt::pmt_t band = pmt::vector_ref(bands, i);
        if (is_band(band)) {
            place(band);
        } else {
            refuse("band " + pmt::write_string(band) +
                   " has no sample_start, sample_count above 0 and id (u64)");
        }
    }
    d_watermark = std::max(d_watermark, *watermark);
    d_last = d_last || pmt::is_true(pmt::dict_ref(message, symbols::last, pmt::PMT_F));
    d_frame_samples =
        unsigned_of(message, symbols::sample_count).value_or(d_frame_samples);
    // A ring that cannot hold what is in work would only fill up again.
    d_stalled = d_stalled && d_capacity < 2 * d_frame_samples;
    d_progress = clock::now();
}

void band_tagger_impl::place(const pmt::pmt_t& band)
{
    const std::uint64_t first = *unsigned_of(band, symbols::sample_start);
    const std::uint64_t count = *unsigned_of(band, symbols::sample_count);
    const std::uint64_t released = d_released;
    if (first < released) {
        d_late_bands++;
        message_port_pub(
            symbols::late,
            pmt::dict_add(band, symbols::released, pmt::from_uint64(released)));
        if (d_late_log.due()) {
            d_logger->warn(
                "a band at sample {:d} came {:d} samples late; {:d} late so far;"
                " raise hold",
                first,
                released - first,
                d_late_bands.load());
        }
        return;
    }
    const pmt::pmt_t id = pmt::from_uint64(*unsigned_of(band, symbols::id));
    d_band_tags.emplace(first, std::make_pair(symbols::band_start, band));
    d_band_tags.emplace(first + count - 1, std::make_pair(symbols::band_end, id));
}

void band_tagger_impl::refuse(const std::string& reason)
{
    d_bad_messages++;
    if (d_bad_message_log.due()) {
        d_logger->warn(
            "bands: {:s}; ignored, {:d} so far", reason, d_bad_messages.load());
    }
}

bool band_tagger_impl::input_done() const
{
    const auto reader = detail()->input(0);
    gr::thread::scoped_lock lock(*reader->mutex());
    return reader->done();
}

bool band_tagger_impl::input_exhausted(int taken) const
{
    const auto reader = detail()->input(0);
    gr::thread::scoped_lock lock(*reader->mutex());
    return reader->done() && reader->items_available() == taken;
}

void band_tagger_impl::expire(clock::time_point now)
{
    while (!d_arrivals.empty() &&
           (d_arrivals.front().end <= d_released ||
            (d_live && now - d_arrivals.front().newest >= d_hold))) {
        d_expired = std::max(d_expired, d_arrivals.front().end);
        d_arrivals.pop_front();
    }
}

std::uint64_t band_tagger_impl::release_limit(std::uint64_t incoming) const
{
    if (d_flushing || d_stalled) {
        return d_received;
    }
    std::uint64_t limit = std::max(d_watermark, d_expired);
    if (d_live && d_received + incoming > d_capacity) {
        // The oldest make room for what has arrived.
        limit = std::max(limit, d_received + incoming - d_capacity);
    }
    return std::min(std::max<std::uint64_t>(limit, d_released), d_received);
}

void band_tagger_impl::forecast(int, gr_vector_int& ninput_items_required)
{
    expire(clock::now());
    // In live mode time alone releases samples, so work() must be called without input
    // too.
    const bool may_move = release_limit(0) > d_released || (d_live && d_held > 0);
    ninput_items_required[0] = may_move || input_done() ? 0 : 1;
}

int band_tagger_impl::general_work(int noutput_items,
                                   gr_vector_int& ninput_items,
                                   gr_vector_const_void_star& input_items,
                                   gr_vector_void_star& output_items)
{
    const char* in = static_cast<const char*>(input_items[0]);
    char* out = static_cast<char*>(output_items[0]);
    std::uint64_t incoming = ninput_items[0];
    std::uint64_t space = noutput_items;
    const auto now = clock::now();

    const bool exhausted = input_exhausted(ninput_items[0]);
    if (exhausted && !d_done_seen) {
        d_done_seen = true;
        d_progress = now; // from here on the last bands are waited for
    }
    expire(now);
    while (true) {
        if (exhausted && d_last && incoming == 0) {
            d_flushing = true;
        }
        const std::uint64_t going = std::min(release_limit(incoming) - d_released, space);
        release(out, going);
        out += going * d_item_size;
        space -= going;
        const std::uint64_t coming = std::min(room(), incoming);
        take(in, coming, now);
        in += coming * d_item_size;
        incoming -= coming;
        if (going == 0 && coming == 0) {
            break;
        }
    }
    const int taken = ninput_items[0] - static_cast<int>(incoming);
    const int produced = noutput_items - static_cast<int>(space);
    consume(0, taken);
    d_held = d_received - d_released;

    if (taken > 0 || produced > 0) {
        d_progress = now;
        return produced;
    }
    if (exhausted && d_held == 0 && !awaits_last(now)) {
        if (!d_band_tags.empty()) {
            d_logger->warn("{:d} band tags lie after the end of the stream, sample {:d}",
                           d_band_tags.size(),
                           d_received);
        }
        return WORK_DONE;
    }
    give_up(exhausted && incoming == 0, now);
    wait_for_change(now);
    return 0;
}

bool band_tagger_impl::awaits_last(clock::time_point now) const
{
    // In live mode samples may leave before their bands come; those are yet to be
    // published as late.
    const double waited = std::chrono::duration<double>(now - d_progress).count();
    return d_watermark > 0 && !d_last && waited < d_stall_timeout;
}

void band_tagger_impl::wait_for_change(clock::time_point now)
{
    // The scheduler's own signal for new input and messages, with a limit: time releases
    // too. What came since this call of work() was prepared has set input_changed
    // already.
    double seconds = longest_wait;
    if (d_live && !d_arrivals.empty()) {
        const std::chrono::duration<double> left =
            d_arrivals.front().newest + d_hold - now;
        seconds = std::min(seconds, std::max(left.count(), 0.0));
    }
    tpb_detail& scheduler = detail()->d_tpb;
    gr::thread::scoped_lock lock(scheduler.mutex);
    if (!scheduler.input_changed) {
        scheduler.input_cond.timed_wait(
            lock, boost::posix_time::microseconds(static_cast<long>(seconds * 1e6) + 1));
    }
}

void band_tagger_impl::give_up(bool exhausted, clock::time_point now)
{
    const double waited = std::chrono::duration<double>(now - d_progress).count();
    if (d_live || d_flushing || d_stalled || waited < d_stall_timeout) {
        return;
    }
    if (exhausted) {
        d_logger->error(
            "the stream has ended and no bands message for its last {:d} samples"
            " came within {:g} s; they go out without tags: look for the error of the"
            " block that feeds the port bands",
            d_held.load(),
            waited);
        d_flushing = true;
        return;
    }
    if (room() > 0) {
        return;
    }
    d_stalled = true;
    if (d_frame_samples > 0) {
        d_logger->error(
            "ring_samples={:d} is full and no bands message came for {:g} s: samples"
            " go out without tags until one comes. Frames have {:d} samples; set"
            " ring_samples to those of all frames queued and two more, at least {:d}",
            d_capacity,
            waited,
            d_frame_samples,
            std::max(2 * d_capacity, 3 * d_frame_samples));
    } else {
        d_logger->error(
            "ring_samples={:d} is full and no bands message has come in {:g} s: samples"
            " go out without tags until one comes. Set ring_samples to the samples of"
            " all frames queued and two more, and connect the port bands",
            d_capacity,
            waited);
    }
}

void band_tagger_impl::take(const char* in, std::uint64_t count, clock::time_point now)
{
    if (count == 0) {
        return;
    }
    get_tags_in_range(d_new_tags, 0, d_received, d_received + count);
    std::stable_sort(d_new_tags.begin(), d_new_tags.end(), tag_t::offset_compare);
    d_tags.insert(d_tags.end(), d_new_tags.begin(), d_new_tags.end());

    const std::uint64_t place = d_received % d_capacity;
    const std::uint64_t before_wrap = std::min(count, d_capacity - place);
    std::memcpy(d_ring.get() + place * d_item_size, in, before_wrap * d_item_size);
    std::memcpy(d_ring.get(),
                in + before_wrap * d_item_size,
                (count - before_wrap) * d_item_size);
    d_received += count;

    if (d_live) {
        if (!d_arrivals.empty() &&
            now - d_arrivals.back().oldest < d_hold / arrivals_per_hold) {
            d_arrivals.back().end = d_received;
            d_arrivals.back().newest = now;
        } else {
            d_arrivals.push_back({ d_received, now, now });
        }
    }
}

void band_tagger_impl::release(char* out, std::uint64_t count)
{
    if (count == 0) {
        return;
    }
    const std::uint64_t begin = d_released;
    const std::uint64_t end = begin + count;
    const std::uint64_t place = begin % d_capacity;
    const std::uint64_t before_wrap = std::min(count, d_capacity - place);
    std::memcpy(out, d_ring.get() + place * d_item_size, before_wrap * d_item_size);
    std::memcpy(out + before_wrap * d_item_size,
                d_ring.get(),
                (count - before_wrap) * d_item_size);

    for (; !d_tags.empty() && d_tags.front().offset < end; d_tags.pop_front()) {
        add_item_tag(0, d_tags.front());
    }
    for (auto tag = d_band_tags.begin(); tag != d_band_tags.end() && tag->first < end;
         tag = d_band_tags.erase(tag)) {
        add_item_tag(0, tag->first, tag->second.first, tag->second.second, alias_pmt());
    }
    d_released = end;
}

} // namespace rfseg
} // namespace gr
