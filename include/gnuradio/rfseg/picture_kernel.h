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
 * \brief Samples in, published pictures before colouring out: rows in dBFS and limits.
 *
 * The fast form of rfseg.published.picture_rows, which specifies every value. Of the
 * padded transforms only those points are computed that a pixel shows or that the limits
 * are taken from.
 */
class RFSEG_API picture_kernel : public frame_kernel
{
public:
    //! \throws std::invalid_argument if the shape is no picture's
    picture_kernel(const spectrogram_shape& shape, sample_type type);
    ~picture_kernel() override;

private:
    struct engine; // windows and working buffers

    progress take(const void* samples, std::size_t count) override;
    void complete_cut() override;
    void begin_frame(std::uint64_t step) override;
    void forget_samples() override;

    void process_segments(std::uint64_t available);
    void show(const float* segment);
    void finish_frame();

    const std::unique_ptr<engine> d_engine;
    std::uint64_t d_segment; // next segment
    unsigned d_row;          // next row
};

} // namespace rfseg
} // namespace gr
