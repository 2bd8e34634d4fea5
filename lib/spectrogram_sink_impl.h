/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include "rate_limit.h"
#include "stream_follower.h"
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
                          double settling,
                          unsigned infer_every);

    void set_infer_every(unsigned infer_every) override;
    void set_settling(double settling) override { d_follower.set_settling(settling); }

    const spectrogram_shape& shape() const override { return d_framer.shape(); }
    std::shared_ptr<const frame> latest_frame() const override;
    std::uint64_t frames() const override { return d_frames; }
    std::uint64_t gaps() const override { return d_follower.gaps(); }
    std::uint64_t lost_samples() const override { return d_follower.lost_samples(); }
    std::uint64_t settling_samples() const override
    {
        return d_follower.settling_samples();
    }
    std::uint64_t overflows() const override { return d_follower.overflows(); }
    std::uint64_t bad_messages() const override { return d_follower.bad_messages(); }
    std::uint64_t non_finite() const override { return d_non_finite; }

    bool start() override;
    bool stop() override;
    void forecast(int noutput_items, gr_vector_int& ninput_items_required) override;
    int general_work(int noutput_items,
                     gr_vector_int& ninput_items,
                     gr_vector_const_void_star& input_items,
                     gr_vector_void_star& output_items) override;

private:
    bool input_done() const;
    bool input_exhausted(int taken) const;
    int emit_rows(float* out, int space, std::uint64_t row);
    void finish_frame();
    void publish(const pmt::pmt_t& event, pmt::pmt_t fields);

    const std::size_t d_item_size;
    framer d_framer;
    stream_follower d_follower;
    std::vector<tag_t> d_tags;           // of this call
    std::atomic<unsigned> d_infer_every; // from the next frame on
    unsigned d_emitted;                  // rows of the ready frame that have gone out

    std::atomic<std::uint64_t> d_frames{ 0 };
    std::atomic<std::uint64_t> d_non_finite{ 0 };
    rate_limit d_non_finite_log;

    mutable std::mutex d_latest_mutex;
    std::shared_ptr<frame> d_latest;
    std::shared_ptr<frame> d_spare; // the one before, taken up again if nobody holds it
};

} // namespace rfseg
} // namespace gr
