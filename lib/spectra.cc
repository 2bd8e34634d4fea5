/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "spectra.h"
#include <cmath>
#include <cstdlib>

namespace gr {
namespace rfseg {

#ifdef RFSEG_X86
extern const spectra spectra_avx512, spectra_avx2;
#endif
extern const spectra spectra_generic;

turns_256::turns_256()
{
    for (int k = 0; k < 16; k++) {
        for (int n = 0; n < 16; n++) {
            const double angle = 2 * M_PI * n * k / 256;
            re[16 * k + n] = static_cast<float>(std::cos(angle));
            im[16 * k + n] = static_cast<float>(-std::sin(angle));
        }
    }
}

std::vector<const spectra*> runnable_spectra()
{
    std::vector<const spectra*> found;
#ifdef RFSEG_X86
    if (__builtin_cpu_supports("avx512f")) {
        found.push_back(&spectra_avx512);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found.push_back(&spectra_avx2);
    }
#endif
    found.push_back(&spectra_generic);
    return found;
}

const spectra& best_spectra()
{
    const auto found = runnable_spectra();
    return std::getenv("VOLK_GENERIC") ? *found.back() : *found.front();
}

} // namespace rfseg
} // namespace gr
