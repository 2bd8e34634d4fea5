/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstddef>
#include <gnuradio/rfseg/api.h>
#include <new>
#include <vector>

namespace gr {
namespace rfseg {

// Linear power, full scale = 1; rfseg.spectrogram.POWER_RANGE.
inline constexpr float lowest_power = 1e-20f;
inline constexpr float highest_power = 1e20f;

//! A window of 256 samples, real or one that turns their phase, aligned to any vector.
struct window_256 {
    static constexpr std::size_t size = 256;

    alignas(64) float re[size]{};
    alignas(64) float im[size]{}; //!< read only by what takes turned windows
};

//! What the transform of 256 points multiplies by: exp(-2 pi i n k / 256) at 16 k + n.
struct RFSEG_API turns_256 {
    turns_256();

    alignas(64) float re[256];
    alignas(64) float im[256];
};

/*!
 * \brief The inner loops of the spectrograms, for one set of instructions.
 *
 * All take interleaved real and imaginary parts. Sums, extremes and powers are in the
 * FFT's own order, bin 0 first, and aligned to 64 bytes. Powers are clamped to
 * lowest_power ... highest_power; in place of a NaN, which only samples too large to
 * transform leave, the highest power counts.
 */
struct spectra {
    const char* name;

    /*!
     * Powers of 256 samples under a real window, added to a sum and to a maximum. With
     * `check`, nothing is added and false is returned if a sample is not finite.
     */
    bool (*accumulate_256)(const float* samples,
                           const window_256& window,
                           const turns_256& turns,
                           bool check,
                           float* sum,
                           float* max);
    //! Powers of 256 samples under a turned window.
    void (*power_256)(const float* samples,
                      const window_256& window,
                      const turns_256& turns,
                      float* power);
    //! Powers of 256 samples under a turned window, taken into 16 minima and 16 maxima.
    void (*extremes_256)(const float* samples,
                         const window_256& window,
                         const turns_256& turns,
                         float* min,
                         float* max);
    //! Samples times a real window.
    void (*apply_window)(const float* samples,
                         const float* window,
                         float* windowed,
                         std::size_t count);
    //! Powers of a spectrum, added to a sum and to a maximum.
    void (*accumulate)(const float* spectrum, float* sum, float* max, std::size_t bins);
    //! 10 log10 of clamped powers, to 1e-4 dB.
    void (*to_decibels)(const float* power, float* decibels, std::size_t count);
};

//! Memory that starts where any vector may.
template <typename value>
struct vector_allocator {
    using value_type = value;
    static constexpr std::align_val_t alignment{ 64 };

    vector_allocator() = default;
    template <typename other>
    vector_allocator(const vector_allocator<other>&)
    {
    }
    value* allocate(std::size_t count)
    {
        return static_cast<value*>(::operator new(count * sizeof(value), alignment));
    }
    void deallocate(value* memory, std::size_t) { ::operator delete(memory, alignment); }
    bool operator==(const vector_allocator&) const { return true; }
    bool operator!=(const vector_allocator&) const { return false; }
};

template <typename value>
using vector_of = std::vector<value, vector_allocator<value>>;

//! Those that this processor runs, the fastest first; the last one runs everywhere.
RFSEG_API std::vector<const spectra*> runnable_spectra();

//! The fastest, or where the environment says VOLK_GENERIC the last, as VOLK takes it.
RFSEG_API const spectra& best_spectra();

} // namespace rfseg
} // namespace gr
