/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstddef>
#include <cstdint>
#include <gnuradio/block.h>
#include <gnuradio/rfseg/api.h>
#include <memory>
#include <string>

namespace gr {
namespace rfseg {

/*!
 * \brief Delays IQ until its bands are known and tags their first and last samples.
 *
 * Stream in and out: IQ, items of 2, 4 or 8 bytes; the output is the input bit for bit.
 * Messages in: `bands`. Messages out: `late`.
 * Tags: forwards the input's on the same samples; writes band_start and band_end.
 *
 * Samples wait in a ring until the watermark of a `bands` message has passed them, in
 * live mode also until they have waited `hold_seconds` or the ring is full.
 */
class RFSEG_API band_tagger : virtual public gr::block
{
public:
    typedef std::shared_ptr<band_tagger> sptr;

    /*!
     * \param item_size bytes of one complex sample: 2, 4 or 8
     * \param mode "live": samples never wait longer than the hold; "lossless": they wait
     * for their bands
     * \param hold_seconds longest wait in live mode, s
     * \param ring_samples samples that the ring holds
     */
    static sptr make(std::size_t item_size,
                     const std::string& mode,
                     double hold_seconds,
                     std::uint64_t ring_samples);

    virtual std::uint64_t
    late_bands() const = 0; //!< bands that came too late in this run
    virtual std::uint64_t bad_messages() const = 0; //!< malformed messages in this run
    virtual std::uint64_t released() const = 0;     //!< samples that have left
    virtual std::uint64_t held() const = 0;         //!< samples in the ring

    //! Seconds for which a full ring waits in lossless mode; 10 by default. Then samples
    //! go out in order and without tags until bands come again.
    virtual void set_stall_timeout(double seconds) = 0;
};

} // namespace rfseg
} // namespace gr
