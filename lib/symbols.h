/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <gnuradio/rfseg/keys.h>
#include <pmt/pmt.h>

namespace gr {
namespace rfseg {
namespace symbols {

//! Every key as an interned PMT symbol, made when the library is loaded.
#define RFSEG_DEFINE_SYMBOL(name, text) inline const pmt::pmt_t name = pmt::intern(text);
RFSEG_KEYS(RFSEG_DEFINE_SYMBOL)
#undef RFSEG_DEFINE_SYMBOL

} // namespace symbols
} // namespace rfseg
} // namespace gr
