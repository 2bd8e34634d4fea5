/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later
//
// The body of spectra for one set of instructions. The file that includes this is
// compiled for them and defines
//   RFSEG_LANES    floats in a vector: 4, 8 or 16
//   RFSEG_SPECTRA  name of the table to define
// Nothing here may call an inline function of a library: the linker keeps one copy, and
// that must run everywhere.
//
// 256 points are 16 x 16: sixteen transforms of 16 points run down the columns of the
// samples, side by side in the lanes of vectors; after a turn of each value and a
// transposition, sixteen more make the spectrum, in order.

#include "spectra.h"
#include <cstdint>
#include <utility>

#define RFSEG_INLINE inline __attribute__((always_inline))

namespace gr {
namespace rfseg {
namespace {

constexpr int lanes = RFSEG_LANES;
constexpr int groups = 16 / lanes; // vectors in a row of 16

typedef float vec __attribute__((vector_size(4 * lanes), may_alias));
typedef float unaligned_vec
    __attribute__((vector_size(4 * lanes), aligned(4), may_alias));
typedef std::int32_t index_vec __attribute__((vector_size(4 * lanes), may_alias));
using lane_numbers = std::make_integer_sequence<int, lanes>;

RFSEG_INLINE const vec& at(const float* values, int row, int group)
{
    return *reinterpret_cast<const vec*>(values + 16 * row + group * lanes);
}

RFSEG_INLINE vec& at(float* values, int row, int group)
{
    return *reinterpret_cast<vec*>(values + 16 * row + group * lanes);
}

template <int... index>
RFSEG_INLINE vec shuffle(const vec& a, const vec& b)
{
#if defined(__clang__)
    return __builtin_shufflevector(a, b, index...);
#else
    return __builtin_shuffle(a, b, index_vec{ index... });
#endif
}

//! Every second float of `a` and `b`, from number `first` on.
template <int first, int... lane>
RFSEG_INLINE vec every_second(const vec& a,
                              const vec& b,
                              std::integer_sequence<int, lane...>)
{
    return shuffle<(2 * lane + first)...>(a, b);
}

//! Exchange the blocks of `distance` lanes that lie off the diagonal of two rows.
template <int distance, int... lane>
RFSEG_INLINE void exchange(vec& a, vec& b, std::integer_sequence<int, lane...>)
{
    const vec low =
        shuffle<((lane / distance) % 2 ? lanes + lane - distance : lane)...>(a, b);
    b = shuffle<((lane / distance) % 2 ? lanes + lane : lane + distance)...>(a, b);
    a = low;
}

template <int distance>
RFSEG_INLINE void transpose_blocks(vec* rows)
{
    if constexpr (distance < lanes) {
#pragma GCC unroll 16
        for (int i = 0; i < lanes; i++) {
            if (!(i & distance)) {
                exchange<distance>(rows[i], rows[i + distance], lane_numbers{});
            }
        }
    }
}

RFSEG_INLINE void transpose(vec* rows)
{
    transpose_blocks<8>(rows);
    transpose_blocks<4>(rows);
    transpose_blocks<2>(rows);
    transpose_blocks<1>(rows);
}

RFSEG_INLINE void
dft4(vec& re0, vec& im0, vec& re1, vec& im1, vec& re2, vec& im2, vec& re3, vec& im3)
{
    const vec even_re = re0 + re2, even_im = im0 + im2;
    const vec odd_re = re1 + re3, odd_im = im1 + im3;
    const vec even_re_less = re0 - re2, even_im_less = im0 - im2;
    const vec odd_re_less = re1 - re3, odd_im_less = im1 - im3;
    re0 = even_re + odd_re;
    im0 = even_im + odd_im;
    re2 = even_re - odd_re;
    im2 = even_im - odd_im;
    re1 = even_re_less + odd_im_less;
    im1 = even_im_less - odd_re_less;
    re3 = even_re_less - odd_im_less;
    im3 = even_im_less + odd_re_less;
}

//! Times cosine + i sine.
RFSEG_INLINE void turn(vec& re, vec& im, float cosine, float sine)
{
    const vec turned = re * cosine - im * sine;
    im = re * sine + im * cosine;
    re = turned;
}

//! Times exp(-i pi / 4).
RFSEG_INLINE void turn_eighth(vec& re, vec& im)
{
    constexpr float half_root = 0.70710678118654752f;
    const vec turned = (re + im) * half_root;
    im = (im - re) * half_root;
    re = turned;
}

//! Times exp(-3 i pi / 4).
RFSEG_INLINE void turn_three_eighths(vec& re, vec& im)
{
    constexpr float half_root = 0.70710678118654752f;
    const vec turned = (im - re) * half_root;
    im = -(re + im) * half_root;
    re = turned;
}

//! Where dft16 leaves term `k`.
constexpr int place(int k) { return 4 * (k & 3) + (k >> 2); }

//! Sixteen points in each lane.
RFSEG_INLINE void dft16(vec* re, vec* im)
{
    constexpr float cosine = 0.92387953251128674f; // pi / 8
    constexpr float sine = 0.38268343236508977f;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        dft4(re[i],
             im[i],
             re[i + 4],
             im[i + 4],
             re[i + 8],
             im[i + 8],
             re[i + 12],
             im[i + 12]);
    }
    turn(re[5], im[5], cosine, -sine);
    turn_eighth(re[9], im[9]);
    turn(re[13], im[13], sine, -cosine);
    turn_eighth(re[6], im[6]);
    const vec quarter = re[10];
    re[10] = im[10];
    im[10] = -quarter;
    turn_three_eighths(re[14], im[14]);
    turn(re[7], im[7], sine, -cosine);
    turn_three_eighths(re[11], im[11]);
    turn(re[15], im[15], -cosine, sine);
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        dft4(re[i],
             im[i],
             re[i + 1],
             im[i + 1],
             re[i + 2],
             im[i + 2],
             re[i + 3],
             im[i + 3]);
    }
}

//! Sixteen rows of interleaved samples under the window, real or turned.
template <bool turned>
RFSEG_INLINE void
load(const float* samples, const window_256& window, int group, vec* re, vec* im)
{
#pragma GCC unroll 16
    for (int n = 0; n < 16; n++) {
        const float* from = samples + 2 * (16 * n + group * lanes);
        const vec a = *reinterpret_cast<const unaligned_vec*>(from);
        const vec b = *reinterpret_cast<const unaligned_vec*>(from + lanes);
        const vec sample_re = every_second<0>(a, b, lane_numbers{});
        const vec sample_im = every_second<1>(a, b, lane_numbers{});
        const vec& window_re = at(window.re, n, group);
        if constexpr (turned) {
            const vec& window_im = at(window.im, n, group);
            re[n] = sample_re * window_re - sample_im * window_im;
            im[n] = sample_re * window_im + sample_im * window_re;
        } else {
            re[n] = sample_re * window_re;
            im[n] = sample_im * window_re;
        }
    }
}

//! The first sixteen transforms; the results lie transposed in the work space.
template <bool turned>
RFSEG_INLINE void transform_columns(const float* samples,
                                    const window_256& window,
                                    const turns_256& turns,
                                    float* work_re,
                                    float* work_im)
{
    for (int group = 0; group < groups; group++) {
        vec re[16], im[16], to_re[16], to_im[16];
        load<turned>(samples, window, group, re, im);
        dft16(re, im);
        to_re[0] = re[0];
        to_im[0] = im[0];
#pragma GCC unroll 16
        for (int k = 1; k < 16; k++) {
            const vec& cosine = at(turns.re, k, group);
            const vec& sine = at(turns.im, k, group);
            to_re[k] = re[place(k)] * cosine - im[place(k)] * sine;
            to_im[k] = re[place(k)] * sine + im[place(k)] * cosine;
        }
#pragma GCC unroll 16
        for (int block = 0; block < groups; block++) {
            transpose(to_re + block * lanes);
            transpose(to_im + block * lanes);
#pragma GCC unroll 16
            for (int i = 0; i < lanes; i++) {
                at(work_re, group * lanes + i, block) = to_re[block * lanes + i];
                at(work_im, group * lanes + i, block) = to_im[block * lanes + i];
            }
        }
    }
}

RFSEG_INLINE void
transform_rows(const float* work_re, const float* work_im, int group, vec* re, vec* im)
{
#pragma GCC unroll 16
    for (int n = 0; n < 16; n++) {
        re[n] = at(work_re, n, group);
        im[n] = at(work_im, n, group);
    }
    dft16(re, im);
}

RFSEG_INLINE vec clamped_power(const vec& re, const vec& im)
{
    const vec lowest = vec{} + lowest_power, highest = vec{} + highest_power;
    vec power = re * re + im * im;
    power = power < highest ? power : highest; // a NaN too becomes the highest
    return power > lowest ? power : lowest;
}

bool accumulate_256(const float* __restrict__ samples,
                    const window_256& window,
                    const turns_256& turns,
                    bool check,
                    float* __restrict__ sum,
                    float* __restrict__ max)
{
    alignas(64) float work_re[256], work_im[256];
    transform_columns<false>(samples, window, turns, work_re, work_im);
    for (int group = 0; group < groups; group++) {
        vec re[16], im[16];
        transform_rows(work_re, work_im, group, re, im);
        // Every sample is a term of bin 0, so one that is not finite shows there.
        if (check && group == 0 &&
            !((re[0][0] - re[0][0]) + (im[0][0] - im[0][0]) == 0)) {
            return false;
        }
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++) {
            const vec power = clamped_power(re[place(k)], im[place(k)]);
            at(sum, k, group) += power;
            vec& highest = at(max, k, group);
            highest = power > highest ? power : highest;
        }
    }
    return true;
}

void power_256(const float* __restrict__ samples,
               const window_256& window,
               const turns_256& turns,
               float* __restrict__ power)
{
    alignas(64) float work_re[256], work_im[256];
    transform_columns<true>(samples, window, turns, work_re, work_im);
    for (int group = 0; group < groups; group++) {
        vec re[16], im[16];
        transform_rows(work_re, work_im, group, re, im);
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++) {
            at(power, k, group) = clamped_power(re[place(k)], im[place(k)]);
        }
    }
}

void extremes_256(const float* __restrict__ samples,
                  const window_256& window,
                  const turns_256& turns,
                  float* __restrict__ min,
                  float* __restrict__ max)
{
    alignas(64) float work_re[256], work_im[256];
    transform_columns<true>(samples, window, turns, work_re, work_im);
    for (int group = 0; group < groups; group++) {
        vec re[16], im[16];
        transform_rows(work_re, work_im, group, re, im);
        vec low = at(min, 0, group), high = at(max, 0, group);
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++) {
            const vec power = clamped_power(re[place(k)], im[place(k)]);
            low = power < low ? power : low;
            high = power > high ? power : high;
        }
        at(min, 0, group) = low;
        at(max, 0, group) = high;
    }
}

void apply_window(const float* __restrict__ samples,
                  const float* __restrict__ window,
                  float* __restrict__ windowed,
                  std::size_t count)
{
    for (std::size_t i = 0; i < count; i++) {
        windowed[2 * i] = samples[2 * i] * window[i];
        windowed[2 * i + 1] = samples[2 * i + 1] * window[i];
    }
}

void accumulate(const float* __restrict__ spectrum,
                float* __restrict__ sum,
                float* __restrict__ max,
                std::size_t bins)
{
    std::size_t bin = 0;
    for (; bin + lanes <= bins; bin += lanes) {
        const vec a = *reinterpret_cast<const unaligned_vec*>(spectrum + 2 * bin);
        const vec b = *reinterpret_cast<const unaligned_vec*>(spectrum + 2 * bin + lanes);
        const vec power = clamped_power(every_second<0>(a, b, lane_numbers{}),
                                        every_second<1>(a, b, lane_numbers{}));
        *reinterpret_cast<vec*>(sum + bin) += power;
        vec& highest = *reinterpret_cast<vec*>(max + bin);
        highest = power > highest ? power : highest;
    }
    for (; bin < bins; bin++) {
        const float re = spectrum[2 * bin], im = spectrum[2 * bin + 1];
        float power = re * re + im * im;
        power = power < highest_power ? power : highest_power;
        power = power > lowest_power ? power : lowest_power;
        sum[bin] += power;
        max[bin] = power > max[bin] ? power : max[bin];
    }
}

/*
 * The mantissa, moved to [sqrt(1/2), sqrt(2)), goes through the series of
 * 2 atanh((m - 1) / (m + 1)).
 */
void to_decibels(const float* __restrict__ power,
                 float* __restrict__ decibels,
                 std::size_t count)
{
    constexpr float db_per_octave = 3.01029995663981195f; // 10 log10(2)
    constexpr float db_per_neper = 4.34294481903251828f;  // 10 log10(e)
    for (std::size_t i = 0; i < count; i++) {
        std::int32_t bits;
        __builtin_memcpy(&bits, &power[i], sizeof(bits));
        const std::int32_t octave = (bits - 0x3f3504f3) >> 23; // 0x3f3504f3 is sqrt(1/2)
        bits -= octave * (1 << 23);
        float mantissa;
        __builtin_memcpy(&mantissa, &bits, sizeof(mantissa));
        const float s = (mantissa - 1.0f) / (mantissa + 1.0f);
        const float s2 = s * s;
        const float series =
            2.0f * s *
            (1.0f +
             s2 * (1.0f / 3 + s2 * (1.0f / 5 + s2 * (1.0f / 7 + s2 * (1.0f / 9)))));
        decibels[i] = db_per_octave * static_cast<float>(octave) + db_per_neper * series;
    }
}

} // namespace

#define RFSEG_TEXT(name) #name
#define RFSEG_NAME(name) RFSEG_TEXT(name)
extern const spectra RFSEG_SPECTRA;
const spectra RFSEG_SPECTRA{ RFSEG_NAME(RFSEG_SPECTRA),
                             accumulate_256,
                             power_256,
                             extremes_256,
                             apply_window,
                             accumulate,
                             to_decibels };

} // namespace rfseg
} // namespace gr
