/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <gnuradio/attributes.h>

#ifdef gnuradio_rfseg_EXPORTS
#define RFSEG_API __GR_ATTR_EXPORT
#else
#define RFSEG_API __GR_ATTR_IMPORT
#endif
