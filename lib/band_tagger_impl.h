/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include "rate_limit.h"
#include <atomic>
#include <chrono>
#include <deque>
#include <gnuradio/rfseg/band_tagger.h>
#include <map>
#include <memory>
#include <utility>

namespace gr {
namespace rfseg {

class band_tagger_impl : public band_tagger
{
public:
    band_tagger_impl(std::size_t item_size,
                     bool live,
                     double hold_seconds,
                     std::uint64_t ring_samples);

    std::uint64_t late_bands() const override { return d_late_bands; }
    std::uint64_t bad_messages() const override { return d_bad_messages; }
    std::uint64_t released() const override { return d_released; }
    std::uint64_t held() const override { return d_held; }
    void set_stall_timeout(double seconds) override;

    bool start() override;
    void forecast(int noutput_items, gr_vector_int& ninput_items_required) override;
    int general_work(int noutput_items,
                     gr_vector_int& ninput_items,
                     gr_vector_const_void_star& input_items,
                     gr_vector_void_star& output_items) override;

private:
    using clock = std::chrono::steady_clock;

    // Samples up to `end` had arrived at `newest`, the first of them at `oldest`.
    struct arrival {
        std::uint64_t end;
        clock::time_point oldest;
        clock::time_point newest;
    };

    void on_bands(const pmt::pmt_t& message);
    void place(const pmt::pmt_t& band);
    void refuse(const std::string& reason);

    bool input_done() const;
    bool input_exhausted(int taken) const;
    void expire(clock::time_point now);
    std::uint64_t release_limit(std::uint64_t incoming) const;
    void take(const char* in, std::uint64_t count, clock::time_point now);
    void release(char* out, std::uint64_t count);
    bool awaits_last(clock::time_point now) const;
    void wait_for_change(clock::time_point now);
    void give_up(bool exhausted, clock::time_point now);
    std::uint64_t room() const { return d_capacity - (d_received - d_released); }

    const std::size_t d_item_size;
    const bool d_live;
    const std::chrono::duration<double> d_hold;
    const std::uint64_t d_capacity;
    const std::unique_ptr<char[]> d_ring;
    std::atomic<double> d_stall_timeout; // s

    std::uint64_t d_received; // absolute index of the next sample to come
    std::atomic<std::uint64_t> d_released{ 0 }; // absolute index of the next sample to go
    std::atomic<std::uint64_t> d_held{ 0 };
    std::uint64_t d_watermark; // no later message speaks of a sample before this one
    std::uint64_t d_expired;   // live: samples before this one have waited long enough
    bool d_last;               // the message of the stream's last frame has come
    bool d_flushing;           // everything held may go
    bool d_stalled;            // lossless: no bands came for long, none are waited for
    bool d_done_seen;
    bool d_has_run;
    std::uint64_t d_frame_samples; // of the newest message; 0 before it
    clock::time_point d_progress;  // when anything moved last

    std::deque<arrival> d_arrivals;
    std::vector<tag_t> d_new_tags;
    std::deque<tag_t> d_tags; // of the samples held, by offset
    std::multimap<std::uint64_t, std::pair<pmt::pmt_t, pmt::pmt_t>> d_band_tags;

    std::atomic<std::uint64_t> d_late_bands{ 0 };
    std::atomic<std::uint64_t> d_bad_messages{ 0 };
    rate_limit d_late_log, d_bad_message_log;
};

} // namespace rfseg
} // namespace gr
