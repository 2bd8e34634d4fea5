/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstdint>
#include <gnuradio/block.h>
#include <gnuradio/rfseg/api.h>
#include <gnuradio/rfseg/framer.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gr {
namespace rfseg {

/*!
 * \brief IQ in, spectrogram rows in dBFS out, every sample in exactly one frame.
 *
 * Stream in: complex64, or complex int16 / int8 as items of 4 / 2 bytes.
 * Stream out (optional): float rows, `channels * bins` values each.
 * Messages in: `freq`, `overflow`. Messages out: `status`.
 * Tags: reads rx_time, rx_rate and rx_freq; writes rfseg_frame on each frame's first row.
 *
 * A frame's rows go out together, once the overhang after it, a cut or the end of the
 * stream has been seen. Unconnected, the block is a sink whose latest_frame() serves
 * scripts and displays.
 */
class RFSEG_API spectrogram_sink : virtual public gr::block
{
public:
    typedef std::shared_ptr<spectrogram_sink> sptr;

    //! One frame, rows and what is known about them.
    struct frame {
        frame_info info;
        std::vector<float> rows; //!< `shape().rows * shape().row_size()`, dBFS
    };

    /*!
     * \param samp_rate complex samples per second, Hz
     * \param shape rows and frames
     * \param item_type "complex64", "int16" or "int8"
     * \param center_freq RF centre, Hz, if known
     * \param lossless every frame is to be inferred; false where rows must wait without
     * holding up the source
     * \param settling time after a retune or a change of the rate in which samples are
     * not good, s
     * \param infer_every one frame in so many has rows; those of the others are NaN
     */
    static sptr make(double samp_rate,
                     const spectrogram_shape& shape,
                     const std::string& item_type,
                     std::optional<double> center_freq,
                     bool lossless,
                     double settling,
                     unsigned infer_every);

    //! From the next frame on, one in so many has rows; safe to call from any thread.
    virtual void set_infer_every(unsigned infer_every) = 0;
    //! Settling time of the retunes to come, s; safe to call from any thread.
    virtual void set_settling(double settling) = 0;

    virtual const spectrogram_shape& shape() const = 0;
    //! Newest frame that has rows, or null before the first; safe to call from any
    //! thread.
    virtual std::shared_ptr<const frame> latest_frame() const = 0;

    virtual std::uint64_t frames() const = 0; //!< frames finished in this run
    virtual std::uint64_t gaps() const = 0;   //!< jumps of rx_time in this run
    virtual std::uint64_t
    lost_samples() const = 0; //!< samples that jumps of rx_time tell of in this run
    virtual std::uint64_t
    settling_samples() const = 0; //!< samples in which the receiver settled in this run
    virtual std::uint64_t overflows() const = 0; //!< overflows told of in this run
    virtual std::uint64_t
    bad_messages() const = 0; //!< malformed messages and tags in this run
    virtual std::uint64_t non_finite() const = 0; //!< samples read as 0 in this run
};

} // namespace rfseg
} // namespace gr
