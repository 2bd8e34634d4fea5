/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <array>
#include <cstdint>
#include <gnuradio/rfseg/api.h>
#include <gnuradio/rfseg/frame_kernel.h>
#include <memory>
#include <optional>
#include <vector>

namespace gr {
namespace rfseg {

//! A moment: whole seconds and a fraction, never one float.
struct RFSEG_API rx_time {
    std::uint64_t seconds; //!< s
    double fraction;       //!< s, 0 <= fraction < 1

    //! The moment `samples` later (earlier if negative), exact over days.
    rx_time after(std::int64_t samples, double samp_rate) const;
    //! Seconds from `other` to this moment.
    double since(const rx_time& other) const;
};

//! What is known about one frame besides its rows: the content of the rfseg_frame tag.
struct RFSEG_API frame_info {
    std::uint64_t index;               //!< frames before this one
    std::uint64_t sample_start;        //!< absolute index of the first sample
    std::uint64_t sample_count;        //!< samples that a whole frame covers
    std::uint64_t valid_samples;       //!< samples that are there
    std::uint64_t non_finite;          //!< samples that were NaN or infinite
    double samp_rate;                  //!< Hz
    std::optional<double> center_freq; //!< Hz, RF
    std::optional<rx_time> time;       //!< of the first sample
    bool settling;                     //!< the receiver settles: not to be judged
    bool skipped;                      //!< not its turn: it has no rows
    std::optional<std::array<float, 2>> limits; //!< dBFS, scale of a published picture
    bool last;                                  //!< the stream ends with this frame
};

//! What is new from a cut on; what is not named stays.
struct RFSEG_API stream_change {
    std::optional<double> samp_rate;   //!< Hz
    std::optional<double> center_freq; //!< Hz, RF
    std::optional<rx_time> time;       //!< of the next sample
    double settling = 0;    //!< s, from the cut on, in which samples are not good
    bool time_lost = false; //!< the moment is no longer known
};

//! A settling time, s, as it is given.
//! \throws std::invalid_argument if it is no duration
RFSEG_API double checked_settling(double settling);

/*!
 * \brief The moments of samples at a constant rate.
 *
 * Each moment is counted from one anchor, by whole samples: nothing adds up, however long
 * the stream.
 */
class RFSEG_API sample_clock
{
public:
    explicit sample_clock(double samp_rate) : d_samp_rate(samp_rate) {}

    double samp_rate() const { return d_samp_rate; }
    //! Sample number `sample` is taken at `time`.
    void set(std::uint64_t sample, const rx_time& time);
    //! From sample number `sample` on the rate is another; the moment of that one stays.
    void set_rate(std::uint64_t sample, double samp_rate);
    //! Moments are not known.
    void forget() { d_anchor.reset(); }
    //! Moment of a sample; none if it is not known or lies before second 0.
    std::optional<rx_time> at(std::uint64_t sample) const;
    /*!
     * Samples that were lost before number `sample` if that one is taken at `time`;
     * negative if time ran backwards. At most one sample is rounding and counts as none.
     */
    std::int64_t lost(std::uint64_t sample, const rx_time& time) const;

private:
    double d_samp_rate;              // Hz
    std::optional<rx_time> d_anchor; // moment of sample d_anchor_sample
    std::uint64_t d_anchor_sample = 0;
};

/*!
 * \brief Cuts a stream of samples into frames, so that every sample is in exactly one.
 *
 * A frame ends after its samples, at a cut, or with the stream. It is ready only once a
 * sample after it has been offered or the stream has ended, so that `last` is known;
 * until it is released no sample is taken. Samples in which the receiver settles after a
 * cut have frames of their own, so that the next frame begins with the first good one.
 *
 *     while (true) {
 *         if (framer.ready()) { use(framer.info(), framer.rows()); framer.release(); }
 *         else if (count == taken) break;
 *         else taken += framer.feed(samples + taken, count - taken);
 *     }
 *
 * Not thread-safe: one caller at a time.
 */
class RFSEG_API framer
{
public:
    /*!
     * \param shape spectrogram geometry
     * \param type what the samples are made of
     * \param samp_rate complex samples per second, Hz
     * \param center_freq RF centre, Hz, if known
     * \throws std::invalid_argument if one of them makes no sense
     */
    framer(const spectrogram_shape& shape,
           sample_type type,
           double samp_rate,
           std::optional<double> center_freq);

    const spectrogram_shape& shape() const { return d_kernel->shape(); }

    /*!
     * From the next frame on, one frame in `every` has rows; the others are skipped. The
     * first frame after a change of rate or centre has rows in any case. Settling frames
     * do not count.
     * \throws std::invalid_argument if it is 0
     */
    void set_every(unsigned every);

    //! Offer `count` samples; returns how many were taken.
    std::size_t feed(const void* samples, std::size_t count);
    //! The contiguous run ends before the next sample, from which on `change` holds.
    void cut(const stream_change& change);
    //! The stream has ended.
    void end();
    bool ended() const { return d_ended; }

    //! Whether a frame waits to be used and released.
    bool ready() const;
    frame_info info() const;
    //! Whether the frame is skipped.
    bool skipping() const { return d_kernel->skipping(); }
    const std::vector<float>& rows() const { return d_kernel->rows(); }
    void swap_rows(std::vector<float>& other) { d_kernel->swap_rows(other); }
    void release();

    //! Absolute index of the next sample.
    std::uint64_t position() const { return d_position; }
    //! Frames released so far.
    std::uint64_t frames() const { return d_index; }
    //! Rate from the next sample on, Hz.
    double samp_rate() const;
    //! RF centre from the next sample on, Hz.
    std::optional<double> center_freq() const;
    //! Moment of the next sample, if known.
    std::optional<rx_time> clock() const;
    //! Set the moment of the next sample without a cut.
    void set_clock(const rx_time& time);
    //! Samples lost before the next one if that one is taken at `time` (see
    //! sample_clock).
    std::int64_t lost_samples(const rx_time& time) const;
    //! Samples to come in which the receiver still settles.
    std::uint64_t settling_samples() const { return d_settling_samples; }

    //! Back to the state after construction, the next sample being number `position`.
    void reset(std::uint64_t position = 0);

private:
    sample_clock next_clock() const;
    void apply_change();
    bool is_skipped() const { return !d_settling && d_turn > 0; }

    const std::unique_ptr<frame_kernel> d_kernel;
    const double d_initial_rate;
    const std::optional<double> d_initial_freq;

    std::uint64_t d_index;
    std::uint64_t d_frame_start;
    std::uint64_t d_position;
    sample_clock d_clock;
    std::optional<double> d_center_freq;
    bool d_settling;                  // the frame's samples are not good
    unsigned d_every = 1;             // one frame in so many has rows
    unsigned d_turn;                  // frames since the last that had, it included
    std::uint64_t d_settling_samples; // that many from d_position on are not good
    std::optional<stream_change>
        d_change; // waits until the frames before the cut are released
    bool d_more;  // a sample after the frame has been offered
    bool d_ended;
};

} // namespace rfseg
} // namespace gr
