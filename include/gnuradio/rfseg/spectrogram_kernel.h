/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstddef>
#include <cstdint>
#include <gnuradio/rfseg/api.h>
#include <memory>
#include <string>
#include <vector>

namespace gr {
namespace rfseg {

//! How the segments of a row become one row of powers.
enum class reduction { mean, max, first };

//! What a complex sample is made of. Full scale is 1, 32768 or 128.
enum class sample_type { complex64, int16, int8 };

//! \throws std::invalid_argument if the name is not "mean", "max" or "first"
RFSEG_API reduction to_reduction(const std::string& name);
//! \throws std::invalid_argument if the name is not "complex64", "int16" or "int8"
RFSEG_API sample_type to_sample_type(const std::string& name);
//! Bytes of one complex sample.
RFSEG_API std::size_t sample_size(sample_type type);

//! The shape of a spectrogram; sizes derived as rfseg.geometry.Geometry derives them.
struct RFSEG_API spectrogram_shape {
    unsigned fft_size;                 //!< samples in a window, and bins; even
    unsigned hop;                      //!< samples from one segment's start to the next's
    unsigned segments_per_row;         //!< segments reduced into one row
    unsigned rows;                     //!< rows in a frame
    std::vector<reduction> reductions; //!< one channel each, in this order

    std::uint64_t row_samples() const { return std::uint64_t(segments_per_row) * hop; }
    std::uint64_t frame_samples() const { return row_samples() * rows; }
    //! Samples past the end of a frame that its last segment reads, where they exist.
    std::uint64_t overhang() const { return fft_size - hop; }
    std::size_t channels() const { return reductions.size(); }
    //! Floats in a row: all bins of the first reduction, then of the next.
    std::size_t row_size() const { return channels() * fft_size; }

    //! \throws std::invalid_argument if a size makes no spectrogram
    void validate() const;
};

/*!
 * \brief Samples in, frames of a spectrogram in dBFS out.
 *
 * The fast form of rfseg.spectrogram.frame_rows, which specifies every value; however the
 * samples are split over calls, the rows are the same. The kernel takes samples until a
 * frame is complete, which is once the overhang after the frame has arrived or the
 * contiguous run was declared finished; it then takes no more until next_frame().
 *
 * Not thread-safe: one caller at a time.
 */
class RFSEG_API spectrogram_kernel
{
public:
    //! What a call achieved.
    struct progress {
        std::size_t consumed; //!< samples taken
        std::size_t produced; //!< rows of the frame that became final
    };

    spectrogram_kernel(const spectrogram_shape& shape, sample_type type);
    ~spectrogram_kernel();
    spectrogram_kernel(const spectrogram_kernel&) = delete;
    spectrogram_kernel& operator=(const spectrogram_kernel&) = delete;

    const spectrogram_shape& shape() const { return d_shape; }

    //! Take up to `count` samples that follow the ones before without a gap.
    progress feed(const void* samples, std::size_t count);

    //! No sample follows the ones fed: complete the frame, and those after it, with what
    //! there is.
    void finish_run();

    //! Whether the frame's rows are final.
    bool frame_complete() const { return d_complete; }
    //! Whether no sample of the frame has arrived.
    bool empty() const { return d_received == 0; }
    //! Samples of the frame that have arrived; fewer than frame_samples() in a cut frame.
    std::uint64_t valid_samples() const;
    //! Samples that were fed and belong to frames after this one.
    std::uint64_t samples_ahead() const { return d_received - valid_samples(); }
    //! Samples of the frame that were not finite, read as 0.
    std::uint64_t non_finite() const { return d_non_finite; }

    //! The frame's rows, `rows x row_size()` floats, dBFS, lowest frequency first.
    const std::vector<float>& rows() const { return d_rows; }
    //! Exchange the rows of a complete frame for another buffer, which is resized to fit.
    void swap_rows(std::vector<float>& other);

    //! Begin the frame after the complete one; in a finished run it may be complete at
    //! once.
    void next_frame();
    //! Forget everything fed.
    void reset();

private:
    struct engine; // window, FFT plan and working buffers

    void convert(const void* samples, std::size_t count);
    void compact();
    const float* staged(std::uint64_t sample) const;
    void process_segment(const float* segment, std::uint64_t start);
    void sanitise(const float* segment, std::uint64_t start);
    std::size_t close_row();
    void clear_frame();

    const spectrogram_shape d_shape;
    const sample_type d_type;
    const std::uint64_t d_frame_samples;
    const std::uint64_t d_segments; // in a whole frame
    const std::unique_ptr<engine> d_engine;

    std::vector<float> d_rows;
    std::int64_t d_origin;    // the frame's sample that is first in the staging buffer
    std::uint64_t d_received; // samples since the frame's start, overhang included
    std::uint64_t d_segment;  // next segment
    unsigned d_row_segments;  // segments in the row so far
    unsigned d_row;           // next row
    std::uint64_t
        d_counted; // samples before this one have been checked for non-finite ones
    std::uint64_t d_non_finite;
    bool d_complete;
    bool d_run_finished;
};

} // namespace rfseg
} // namespace gr
