/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#define RFSEG_LANES 16
#define RFSEG_SPECTRA spectra_avx512
#include "spectra_simd.h"
