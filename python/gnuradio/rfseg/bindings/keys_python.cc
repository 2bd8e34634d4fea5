/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

/* BINDTOOL_HEADER_FILE(keys.h)                       */
/* BINDTOOL_HEADER_FILE_HASH(2c74ac05b6d0f6ee450a8254f0473d1e)                       */

#include <algorithm>
#include <cctype>
#include <gnuradio/rfseg/keys.h>
#include <pybind11/pybind11.h>
#include <string>

namespace py = pybind11;

void bind_keys(py::module& m)
{
    py::module keys = m.def_submodule(
        "keys",
        "Keys, ports and events of tags and messages; see docs/message-formats.md.");
    const auto add = [&keys](std::string name, const char* text) {
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) {
            return std::toupper(letter);
        });
        keys.attr(name.c_str()) = text;
    };
#define RFSEG_BIND_KEY(name, text) add(#name, text);
    RFSEG_KEYS(RFSEG_BIND_KEY)
#undef RFSEG_BIND_KEY
}
