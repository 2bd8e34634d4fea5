/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <cstdint>
#include <gnuradio/rfseg/framer.h>
#include <optional>
#include <pmt/pmt.h>
#include <string>

namespace gr {
namespace rfseg {

//! A finite number, whatever its PMT type; none if it is no such number.
std::optional<double> to_real(const pmt::pmt_t& value);

//! Whole seconds and a fraction below 1, as an rx_time tag holds them.
std::optional<rx_time> to_rx_time(const pmt::pmt_t& value);

//! Hz, of a number, a pair `(freq . number)` or a dict with `freq`.
std::optional<double> freq_of(const pmt::pmt_t& message);

/*!
 * Overflows that a message tells of; 0 if it tells of something else, none if it is no
 * such message.
 *
 * It is the symbol `overflow`, a dict whose `event` is that, or a pair: of the symbol and
 * anything, or as UHD's source sends it on `async_msgs`, at most every so often and for
 * all overflows since the one before: `(uhd_async_msg . {overflows: count})`.
 */
std::optional<std::uint64_t> overflows_of(const pmt::pmt_t& message);

//! Content of the rfseg_frame tag.
pmt::pmt_t to_pmt(const frame_info& info);

//! `dict`, or an empty one, with one entry more.
pmt::pmt_t
with(const pmt::pmt_t& key, const pmt::pmt_t& value, pmt::pmt_t dict = pmt::PMT_NIL);

} // namespace rfseg
} // namespace gr
