/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#define RFSEG_LANES 4
#define RFSEG_SPECTRA spectra_generic
#include "spectra_simd.h"
