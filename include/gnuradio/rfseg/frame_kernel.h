/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <gnuradio/rfseg/api.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gr {
namespace rfseg {

//! How the segments of a row become one row of powers.
enum class reduction { mean, max, first };

//! What a complex sample is made of. Full scale is 1, 32768 or 128.
enum class sample_type { complex64, int16, int8 };

//! What the scale of a published picture is taken from;
//! rfseg.published_geometry.Extremes.
enum class extremes { all, segments, surviving };

//! \throws std::invalid_argument if the name is not "mean", "max" or "first"
RFSEG_API reduction to_reduction(const std::string& name);
//! \throws std::invalid_argument if the name is not "complex64", "int16" or "int8"
RFSEG_API sample_type to_sample_type(const std::string& name);
//! \throws std::invalid_argument if the name is not "all", "segments" or "surviving"
RFSEG_API extremes to_extremes(const std::string& name);
//! Bytes of one complex sample.
RFSEG_API std::size_t sample_size(sample_type type);

//! What only pictures of the family `published` have.
struct RFSEG_API picture_rule {
    unsigned row_span; //!< samples that a row stands for
    extremes scale;    //!< what the limits are taken from
    double samp_rate;  //!< Hz; the floor depends on it
};

//! The shape of a spectrogram; sizes derived as rfseg.geometry.Geometry derives them.
struct RFSEG_API spectrogram_shape {
    unsigned fft_size;                 //!< samples in a window, and bins; even
    unsigned hop;                      //!< samples from one segment's start to the next's
    unsigned segments_per_row;         //!< segments reduced into one row
    unsigned rows;                     //!< rows in a frame
    std::vector<reduction> reductions; //!< one channel each, in this order
    std::optional<picture_rule> picture{}; //!< of a published picture; the segments are
                                           //!< then its own, and fft_size counts bins

    std::uint64_t row_samples() const
    {
        return picture ? picture->row_span : std::uint64_t(segments_per_row) * hop;
    }
    std::uint64_t frame_samples() const { return row_samples() * rows; }
    //! Samples past the end of a frame that its last segment reads, where they exist.
    std::uint64_t overhang() const { return picture ? 0 : fft_size - hop; }
    std::size_t channels() const { return reductions.size(); }
    //! Floats in a row: all bins of the first reduction, then of the next.
    std::size_t row_size() const { return channels() * fft_size; }

    //! \throws std::invalid_argument if a size makes no spectrogram
    void validate() const;
};

/*!
 * \brief Samples in, frames of rows in dBFS out.
 *
 * However the samples are split over calls, the rows are the same. A kernel takes samples
 * until a frame is complete, which is once the overhang after the frame has arrived or
 * the contiguous run was declared finished; it then takes no more until next_frame(). A
 * frame that is skipped has no rows: its samples are counted, and that is all.
 *
 * Not thread-safe: one caller at a time.
 */
class RFSEG_API frame_kernel
{
public:
    //! What a call achieved.
    struct progress {
        std::size_t consumed; //!< samples taken
        std::size_t produced; //!< rows of the frame that became final
    };

    //! The kernel that computes the shape.
    //! \throws std::invalid_argument if a size makes no spectrogram
    static std::unique_ptr<frame_kernel> make(const spectrogram_shape& shape,
                                              sample_type type);
    virtual ~frame_kernel();
    frame_kernel(const frame_kernel&) = delete;
    frame_kernel& operator=(const frame_kernel&) = delete;

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
    //! Whether the frame is counted only.
    bool skipping() const { return d_skipping; }
    //! Samples of the frame that have arrived; fewer than frame_samples() in a cut frame.
    std::uint64_t valid_samples() const;
    //! Samples that were fed and belong to frames after this one.
    std::uint64_t samples_ahead() const { return d_received - valid_samples(); }
    //! Samples of the frame that were not finite, read as 0.
    std::uint64_t non_finite() const { return d_non_finite; }

    //! The frame's rows, `rows x row_size()` floats, dBFS, lowest frequency first.
    const std::vector<float>& rows() const { return d_rows; }
    //! dBFS that become the darkest and the brightest of a picture's levels.
    std::optional<std::array<float, 2>> limits() const { return d_limits; }
    //! Exchange the rows of a complete frame for another buffer, which is resized to fit.
    void swap_rows(std::vector<float>& other);

    //! Begin the frame after the complete one, to be counted only if `skip`; in a
    //! finished run it may be complete at once.
    void next_frame(bool skip = false);
    //! Whether the frame, which is empty, is to be counted only.
    void set_skipping(bool skip) { d_skipping = skip; }
    //! Forget everything fed.
    void reset();

protected:
    frame_kernel(const spectrogram_shape& shape, sample_type type);

    //! Take up to `count` samples of a frame that is neither complete nor skipped.
    virtual progress take(const void* samples, std::size_t count) = 0;
    //! Make the rows of a frame that ends with the samples received.
    virtual void complete_cut() = 0;
    //! Begin a frame, `step` samples after the start of the one before; `d_received` says
    //! how many of its samples are there.
    virtual void begin_frame(std::uint64_t step) = 0;
    //! Samples went by that were not taken: those kept are of no use, and the next to
    //! take is number `d_received`.
    virtual void forget_samples() = 0;

    const spectrogram_shape d_shape;
    const sample_type d_type;
    const std::uint64_t d_frame_samples;
    std::vector<float> d_rows;
    std::optional<std::array<float, 2>> d_limits;
    std::uint64_t d_received; // samples since the frame's start, overhang included
    std::uint64_t d_non_finite;
    bool d_complete;
    bool d_run_finished;

private:
    bool d_skipping;
};

} // namespace rfseg
} // namespace gr
