/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#include "stream_values.h"
#include "symbols.h"
#include <cmath>

namespace gr {
namespace rfseg {

std::optional<double> to_real(const pmt::pmt_t& value)
{
    if (!(pmt::is_real(value) || pmt::is_integer(value) || pmt::is_uint64(value))) {
        return std::nullopt;
    }
    const double number = pmt::is_uint64(value)
                              ? static_cast<double>(pmt::to_uint64(value))
                              : pmt::to_double(value);
    return std::isfinite(number) ? std::optional<double>(number) : std::nullopt;
}

std::optional<rx_time> to_rx_time(const pmt::pmt_t& value)
{
    if (!pmt::is_tuple(value) || pmt::length(value) != 2) {
        return std::nullopt;
    }
    const pmt::pmt_t seconds = pmt::tuple_ref(value, 0);
    const auto fraction = to_real(pmt::tuple_ref(value, 1));
    if (!fraction || !(*fraction >= 0 && *fraction < 1)) {
        return std::nullopt;
    }
    if (pmt::is_uint64(seconds)) {
        return rx_time{ pmt::to_uint64(seconds), *fraction };
    }
    if (pmt::is_integer(seconds) && pmt::to_long(seconds) >= 0) {
        return rx_time{ static_cast<std::uint64_t>(pmt::to_long(seconds)), *fraction };
    }
    return std::nullopt;
}

std::optional<double> freq_of(const pmt::pmt_t& message)
{
    if (pmt::is_dict(message)) {
        return to_real(pmt::dict_ref(message, symbols::freq, pmt::PMT_NIL));
    }
    if (pmt::is_pair(message)) {
        const bool is_freq = pmt::equal(pmt::car(message), symbols::freq);
        return is_freq ? to_real(pmt::cdr(message)) : std::nullopt;
    }
    return to_real(message);
}

namespace {

std::optional<std::uint64_t> count_of(const pmt::pmt_t& dict)
{
    const pmt::pmt_t count =
        pmt::is_dict(dict) && !pmt::is_null(dict)
            ? pmt::dict_ref(dict, symbols::overflows, pmt::from_uint64(0))
            : pmt::PMT_NIL;
    if (pmt::is_uint64(count)) {
        return pmt::to_uint64(count);
    }
    if (pmt::is_integer(count) && pmt::to_long(count) >= 0) {
        return static_cast<std::uint64_t>(pmt::to_long(count));
    }
    return std::nullopt;
}

} // namespace

std::optional<std::uint64_t> overflows_of(const pmt::pmt_t& message)
{
    pmt::pmt_t event = message;
    if (pmt::is_dict(message)) {
        event = pmt::dict_ref(message, symbols::event, pmt::PMT_NIL);
    } else if (pmt::is_pair(message)) {
        event = pmt::car(message);
        if (event == symbols::uhd_async_msg) {
            return count_of(pmt::cdr(message));
        }
    }
    if (!pmt::is_symbol(event)) {
        return std::nullopt;
    }
    return event == symbols::overflow ? 1 : 0;
}

pmt::pmt_t to_pmt(const frame_info& info)
{
    pmt::pmt_t dict = pmt::make_dict();
    const auto add = [&dict](const pmt::pmt_t& key, const pmt::pmt_t& value) {
        dict = pmt::dict_add(dict, key, value);
    };
    add(symbols::index, pmt::from_uint64(info.index));
    add(symbols::sample_start, pmt::from_uint64(info.sample_start));
    add(symbols::sample_count, pmt::from_uint64(info.sample_count));
    add(symbols::valid_samples, pmt::from_uint64(info.valid_samples));
    add(symbols::non_finite, pmt::from_uint64(info.non_finite));
    add(symbols::samp_rate, pmt::from_double(info.samp_rate));
    if (info.center_freq) {
        add(symbols::center_freq, pmt::from_double(*info.center_freq));
    }
    if (info.time) {
        add(symbols::rx_time,
            pmt::make_tuple(pmt::from_uint64(info.time->seconds),
                            pmt::from_double(info.time->fraction)));
    }
    add(symbols::settling, pmt::from_bool(info.settling));
    add(symbols::skipped, pmt::from_bool(info.skipped));
    if (info.limits) {
        add(symbols::limits,
            pmt::make_tuple(pmt::from_double((*info.limits)[0]),
                            pmt::from_double((*info.limits)[1])));
    }
    add(symbols::last, pmt::from_bool(info.last));
    return dict;
}

pmt::pmt_t with(const pmt::pmt_t& key, const pmt::pmt_t& value, pmt::pmt_t dict)
{
    return pmt::dict_add(pmt::is_null(dict) ? pmt::make_dict() : dict, key, value);
}

} // namespace rfseg
} // namespace gr
