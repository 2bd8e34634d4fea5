// SPDX-License-Identifier: GPL-3.0-or-later
//
// A SoapySDR receiver for tests: noise and a carrier of 3 MHz at an RF frequency, at the pace of a clock.
// Arguments: driver=rfsegtest; lost_after=SECONDS, after which the device is gone.
// It rounds rates down to whole MS/s above 16 MS/s, as radios with few dividers do.

#include <SoapySDR/Device.hpp>
#include <SoapySDR/Registry.hpp>
#include <chrono>
#include <cmath>
#include <complex>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr double carrier_low = 2.402e9;  // Hz
constexpr double carrier_high = 2.405e9; // Hz
constexpr int period = 4096;             // samples after which the signal repeats
constexpr size_t transfer = 8192;        // samples

class tone_device : public SoapySDR::Device
{
public:
    explicit tone_device(const SoapySDR::Kwargs& args)
        : d_lost_after(args.count("lost_after") ? std::stod(args.at("lost_after")) : INFINITY)
    {
        fill();
    }

    std::string getDriverKey() const override { return "rfsegtest"; }
    std::string getHardwareKey() const override { return "tone"; }
    size_t getNumChannels(const int direction) const override { return direction == SOAPY_SDR_RX; }
    std::vector<std::string> listAntennas(const int, const size_t) const override { return { "RX", "AUX" }; }
    std::vector<std::string> listGains(const int, const size_t) const override { return { "LNA" }; }
    SoapySDR::Range getGainRange(const int, const size_t) const override { return SoapySDR::Range(0, 40); }
    SoapySDR::Range getGainRange(const int, const size_t, const std::string&) const override
    {
        return SoapySDR::Range(0, 40);
    }
    std::vector<std::string> listFrequencies(const int, const size_t) const override { return { "RF" }; }
    SoapySDR::RangeList getFrequencyRange(const int, const size_t) const override
    {
        return { SoapySDR::Range(1e9, 6e9) };
    }
    SoapySDR::RangeList getFrequencyRange(const int, const size_t, const std::string&) const override
    {
        return { SoapySDR::Range(1e9, 6e9) };
    }
    SoapySDR::RangeList getSampleRateRange(const int, const size_t) const override
    {
        return { SoapySDR::Range(1e5, 61.44e6) };
    }
    void setSampleRate(const int, const size_t, const double rate) override
    {
        d_rate = rate > 16e6 ? std::floor(rate * 1e-6) * 1e6 : rate;
        fill();
    }
    double getSampleRate(const int, const size_t) const override { return d_rate; }
    void setFrequency(const int, const size_t, const double freq, const SoapySDR::Kwargs&) override
    {
        d_freq = freq;
        fill();
    }
    void setFrequency(const int, const size_t, const std::string&, const double freq, const SoapySDR::Kwargs&) override
    {
        d_freq = freq;
        fill();
    }
    double getFrequency(const int, const size_t) const override { return d_freq; }
    double getFrequency(const int, const size_t, const std::string&) const override { return d_freq; }
    void setGain(const int, const size_t, const double gain) override
    {
        d_gain = gain;
        fill();
    }
    void setGain(const int, const size_t, const std::string&, const double gain) override
    {
        d_gain = gain;
        fill();
    }
    double getGain(const int, const size_t) const override { return d_gain; }
    double getGain(const int, const size_t, const std::string&) const override { return d_gain; }

    std::vector<std::string> getStreamFormats(const int, const size_t) const override { return { "CF32" }; }
    SoapySDR::Stream* setupStream(const int,
                                  const std::string& format,
                                  const std::vector<size_t>&,
                                  const SoapySDR::Kwargs&) override
    {
        if (format != "CF32") {
            throw std::runtime_error("only CF32");
        }
        return reinterpret_cast<SoapySDR::Stream*>(this);
    }
    void closeStream(SoapySDR::Stream*) override {}
    size_t getStreamMTU(SoapySDR::Stream*) const override { return transfer; }
    int activateStream(SoapySDR::Stream*, const int, const long long, const size_t) override
    {
        d_begin = clock_type::now();
        d_sent = 0;
        return 0;
    }
    int deactivateStream(SoapySDR::Stream*, const int, const long long) override { return 0; }

    int readStream(SoapySDR::Stream*,
                   void* const* buffers,
                   const size_t wanted,
                   int& flags,
                   long long& time_ns,
                   const long timeout_us) override
    {
        const std::chrono::duration<double> elapsed = clock_type::now() - d_begin;
        if (elapsed.count() > d_lost_after) {
            return SOAPY_SDR_STREAM_ERROR;
        }
        const auto due = static_cast<long long>(elapsed.count() * d_rate) - d_sent;
        if (due <= 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(std::min(timeout_us, 1000L)));
            return SOAPY_SDR_TIMEOUT;
        }
        const auto count = std::min<long long>(std::min(wanted, transfer), due);
        auto* out = static_cast<std::complex<float>*>(buffers[0]);
        {
            std::scoped_lock lock(d_mutex);
            for (long long i = 0; i < count; i++) {
                out[i] = d_signal[(d_sent + i) % period];
            }
        }
        flags = SOAPY_SDR_HAS_TIME;
        time_ns = std::llround(1e9 * static_cast<double>(d_sent) / d_rate);
        d_sent += count;
        return static_cast<int>(count);
    }

private:
    // Tones in all bins of the carrier that are in view, with Newman's phases: a flat envelope; and weak noise.
    void fill()
    {
        const double level = std::pow(10.0, (-60.0 + d_gain) / 20.0);
        std::vector<std::complex<float>> signal(period);
        std::mt19937 random(1);
        std::normal_distribution<float> noise(0.0F, 1e-5F);
        for (auto& sample : signal) {
            sample = { noise(random), noise(random) };
        }
        const double step = d_rate / 64;
        for (int bin = -30; bin <= 30; bin++) {
            const double freq = d_freq + bin * step;
            if (freq < carrier_low || freq > carrier_high) {
                continue;
            }
            for (int i = 0; i < period; i++) {
                const double phase = 2 * M_PI * (bin * static_cast<double>(i) / 64) + M_PI * bin * bin / 12.0;
                signal[i] += std::complex<float>(std::polar(level, phase));
            }
        }
        std::scoped_lock lock(d_mutex);
        d_signal.swap(signal);
    }

    const double d_lost_after; // s
    std::mutex d_mutex;
    std::vector<std::complex<float>> d_signal;
    double d_rate = 15.36e6, d_freq = 2.4e9, d_gain = 0.0;
    clock_type::time_point d_begin;
    long long d_sent = 0;
};

SoapySDR::KwargsList find_tone(const SoapySDR::Kwargs& args)
{
    SoapySDR::Kwargs found = args;
    found["driver"] = "rfsegtest";
    found["label"] = "Tone for tests";
    return { found };
}

SoapySDR::Device* make_tone(const SoapySDR::Kwargs& args) { return new tone_device(args); }

SoapySDR::Registry registered("rfsegtest", &find_tone, &make_tone, SOAPY_SDR_ABI_VERSION);

} // namespace
