/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstddef>
#include <cstdint>
#include <gnuradio/rfseg/api.h>
#include <gnuradio/rfseg/frame_kernel.h>
#include <memory>

namespace gr {
namespace rfseg {

/*!
 * \brief Samples in, frames of a spectrogram in dBFS out.
 *
 * The fast form of rfseg.spectrogram.frame_rows, which specifies every value.
 */
class RFSEG_API spectrogram_kernel : public frame_kernel
{
public:
    //! \throws std::invalid_argument if a size makes no spectrogram
    spectrogram_kernel(const spectrogram_shape& shape, sample_type type);
    ~spectrogram_kernel() override;

private:
    struct engine; // window, transform and working buffers

    progress take(const void* samples, std::size_t count) override;
    void complete_cut() override;
    void begin_frame(std::uint64_t step) override;
    void forget_samples() override;

    void take_in_place(const float* samples, std::size_t count);
    void take_converted(const void* samples, std::size_t count);
    void stage(const void* samples, std::size_t count);
    std::size_t room() const; // samples that the staging buffer still takes
    void compact();
    const float* staged(std::uint64_t sample) const;
    void process_staged(std::uint64_t before);
    void process_segment(const float* segment, std::uint64_t start);
    void sanitise(const float* segment, std::uint64_t start);
    void close_row();
    void clear_sums();

    const std::uint64_t d_segments; // in a whole frame
    const std::unique_ptr<engine> d_engine;

    std::int64_t d_origin;   // the frame's sample that is first in the staging buffer
    std::uint64_t d_segment; // next segment
    unsigned d_row_segments; // segments in the row so far
    unsigned d_row;          // next row
    std::uint64_t
        d_counted; // samples before this one have been checked for non-finite ones
};

} // namespace rfseg
} // namespace gr
