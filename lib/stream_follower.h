/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include "rate_limit.h"
#include <atomic>
#include <cstdint>
#include <functional>
#include <gnuradio/logger.h>
#include <gnuradio/rfseg/framer.h>
#include <gnuradio/tags.h>
#include <optional>
#include <pmt/pmt.h>
#include <string>
#include <vector>

namespace gr {
namespace rfseg {

/*!
 * \brief Follows what tags and messages say of a stream: cuts its frames, counts, tells.
 *
 * The rules are those of docs/discontinuities.md. All but the counters and
 * set_settling() belongs to the thread that feeds the framer.
 */
class stream_follower
{
public:
    //! Sends a status event with its fields.
    using publisher = std::function<void(const pmt::pmt_t& event, pmt::pmt_t fields)>;

    //! \throws std::invalid_argument if settling, s, is no duration
    stream_follower(framer& framed,
                    double settling,
                    bool lossless,
                    gr::logger_ptr logger,
                    publisher publish);

    void set_settling(double settling);

    //! Begin a run; the framer has been reset.
    void reset();
    //! Tags of the samples that are about to be fed.
    void set_tags(std::vector<tag_t>& tags);
    /*!
     * Before samples are fed: apply what holds from the framer's next sample on. Nothing
     * changes before the sample returned, which is at most `end`.
     */
    std::uint64_t follow(std::uint64_t end);
    void hear_freq(const pmt::pmt_t& message);
    void hear_overflow(const pmt::pmt_t& message);

    // Of this run; safe to ask from any thread.
    std::uint64_t gaps() const { return d_gaps; }
    std::uint64_t lost_samples() const { return d_lost_samples; }
    std::uint64_t settling_samples() const { return d_settling_samples; }
    std::uint64_t overflows() const { return d_overflows; }
    std::uint64_t bad_messages() const { return d_bad_messages; }

private:
    void apply_tags(std::uint64_t sample);
    template <typename value>
    void read_tag(const tag_t& tag,
                  const std::optional<value>& read,
                  std::optional<value>& to,
                  const char* expected);
    void follow_rate(double rate, stream_change& change);
    void follow_time(const rx_time& time, stream_change& change);
    void follow_freq(double freq, stream_change& change);
    void tell_retune(double freq);
    void apply(const stream_change& change);
    void watch_settling(std::uint64_t sample);
    void place_overflow(std::uint64_t sample);
    void give_up_time(std::uint64_t sample);
    std::uint64_t next_change(std::uint64_t end) const;
    std::uint64_t patience() const; // samples

    void publish_sample(const pmt::pmt_t& event,
                        std::uint64_t sample,
                        pmt::pmt_t fields = pmt::PMT_NIL);
    void refuse(const pmt::pmt_t& port, const std::string& reason);

    framer& d_framer;
    const bool d_lossless;
    const gr::logger_ptr d_logger;
    const publisher d_publish;
    std::atomic<double> d_settling; // s, of the retunes to come

    std::vector<tag_t> d_tags;       // those that matter, by offset
    std::size_t d_next_tag = 0;      // first of them not yet applied
    std::uint64_t d_tags_before = 0; // tags before this sample have been applied
    std::uint64_t d_begin = 0;       // first sample of this run

    std::optional<std::uint64_t> d_gap_told;  // sample of the newest jump of rx_time
    std::optional<std::uint64_t> d_time_due;  // sample by which rx_time is due
    std::optional<std::uint64_t> d_freq_told; // where a freq message found the stream
    std::optional<std::uint64_t> d_settling_since; // sample of the first retune

    std::atomic<std::uint64_t> d_gaps{ 0 };
    std::atomic<std::uint64_t> d_lost_samples{ 0 };
    std::atomic<std::uint64_t> d_settling_samples{ 0 };
    std::atomic<std::uint64_t> d_overflows{ 0 };
    std::atomic<std::uint64_t> d_bad_messages{ 0 };
    rate_limit d_bad_message_log, d_gap_log, d_overflow_log;
};

} // namespace rfseg
} // namespace gr
