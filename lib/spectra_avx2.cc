/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#define RFSEG_LANES 8
#define RFSEG_SPECTRA spectra_avx2
#include "spectra_simd.h"
