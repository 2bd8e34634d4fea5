/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

#include <chrono>
#include <optional>

namespace gr {
namespace rfseg {

//! Says yes at most once a second, for warnings that could come with every sample.
class rate_limit
{
public:
    bool due()
    {
        const auto now = std::chrono::steady_clock::now();
        if (d_last && now - *d_last < std::chrono::seconds(1)) {
            return false;
        }
        d_last = now;
        return true;
    }

private:
    std::optional<std::chrono::steady_clock::time_point> d_last;
};

} // namespace rfseg
} // namespace gr
