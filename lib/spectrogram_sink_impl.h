/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include "rate_limit.h"
#include <atomic>
#include <gnuradio/rfseg/spectrogram_sink.h>
#include <mutex>

namespace gr {
namespace rfseg {

class spectrogram_sink_impl : public spectrogram_sink
{
public:
    spectrogram_sink_impl(double samp_rate,
                          const spectrogram_shape& shape,
                          sample_type type,
                          std::optional<double> center_freq,
                          bool lossless,
                          double settling);

    void set_settling(double settling) override;

    const spectrogram_shape& shape() const override { return d_framer.shape(); }
    std::shared_ptr<const frame> latest_frame() const override;
    std::uint64_t frames() const override { return d_frames; }
    std::uint64_t gaps() const override { return d_gaps; }
    std::uint64_t lost_samples() const override { return d_lost_samples; }
    std::uint64_t settling_samples() const override { return d_settling_samples; }
    std::uint64_t overflows() const override { return d_overflows; }
    std::uint64_t bad_messages() const override { return d_bad_messages; }
    std::uint64_t non_finite() const override { return d_non_finite; }

    bool start() override;
    bool stop() override;
    void forecast(int noutput_items, gr_vector_int& ninput_items_required) override;
    int general_work(int noutput_items,
                     gr_vector_int& ninput_items,
                     gr_vector_const_void_star& input_items,
                     gr_vector_void_star& output_items) override;

private:
    void on_freq(const pmt::pmt_t& message);
    void on_overflow(const pmt::pmt_t& message);

    bool input_done() const;
    bool input_exhausted(int taken) const;
    void load_tags(std::uint64_t begin, std::uint64_t end);
    std::uint64_t next_event(std::uint64_t end) const;
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
    std::uint64_t patience() const; // samples

    int emit_rows(float* out, int space, std::uint64_t row);
    void finish_frame();
    void publish(const pmt::pmt_t& event, pmt::pmt_t fields);
    void publish_sample(const pmt::pmt_t& event,
                        std::uint64_t sample,
                        pmt::pmt_t fields = pmt::PMT_NIL);
    void refuse(const pmt::pmt_t& port, const std::string& reason);

    const std::size_t d_item_size;
    const bool d_lossless;
    framer d_framer;
    std::atomic<double> d_settling; // s, of the retunes to come

    std::vector<tag_t> d_tags;   // those of this call that matter, by offset
    std::size_t d_next_tag;      // first of them not yet applied
    std::uint64_t d_tags_before; // tags before this sample have been applied
    unsigned d_emitted;          // rows of the ready frame that have gone out
    std::uint64_t d_begin = 0;   // first sample of this run

    std::optional<std::uint64_t> d_gap_told;  // sample of the newest jump of rx_time
    std::optional<std::uint64_t> d_time_due;  // sample by which rx_time is due
    std::optional<std::uint64_t> d_freq_told; // where a freq message found the stream
    std::optional<std::uint64_t> d_settling_since; // sample of the first retune

    std::atomic<std::uint64_t> d_frames{ 0 };
    std::atomic<std::uint64_t> d_gaps{ 0 };
    std::atomic<std::uint64_t> d_lost_samples{ 0 };
    std::atomic<std::uint64_t> d_settling_samples{ 0 };
    std::atomic<std::uint64_t> d_overflows{ 0 };
    std::atomic<std::uint64_t> d_bad_messages{ 0 };
    std::atomic<std::uint64_t> d_non_finite{ 0 };
    rate_limit d_bad_message_log, d_gap_log, d_overflow_log, d_non_finite_log;

    mutable std::mutex d_latest_mutex;
    std::shared_ptr<frame> d_latest;
    std::shared_ptr<frame> d_spare; // the one before, taken up again if nobody holds it
};

} // namespace rfseg
} // namespace gr
