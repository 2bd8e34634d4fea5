/* -*- c++ -*- */
// SPDX-License-Identifier: GPL-3.0-or-later

#pragma once

/*!
 * \file
 * Every key, port, event and source name that tags and messages carry, defined once.
 *
 * C++ reads them as `keys::sample_start`, Python as `keys.SAMPLE_START`. What they mean,
 * and their types and units, is in docs/message-formats.md.
 */

// clang-format off
#define RFSEG_KEYS(KEY)                                                                  \
    /* tags and ports */                                                                 \
    KEY(frame, "rfseg_frame")                                                            \
    KEY(band_start, "band_start")                                                        \
    KEY(band_end, "band_end")                                                            \
    KEY(rx_time, "rx_time")                                                              \
    KEY(rx_rate, "rx_rate")                                                              \
    KEY(rx_freq, "rx_freq")                                                              \
    KEY(bands, "bands")                                                                  \
    KEY(late, "late")                                                                    \
    KEY(scan, "scan")                                                                    \
    KEY(control, "control")                                                              \
    KEY(status, "status")                                                                \
    KEY(freq, "freq")                                                                    \
    KEY(overflow, "overflow")                                                            \
    KEY(model, "model")                                                                  \
    /* a frame */                                                                        \
    KEY(index, "index")                                                                  \
    KEY(sample_start, "sample_start")                                                    \
    KEY(sample_count, "sample_count")                                                    \
    KEY(valid_samples, "valid_samples")                                                  \
    KEY(non_finite, "non_finite")                                                        \
    KEY(samp_rate, "samp_rate")                                                          \
    KEY(center_freq, "center_freq")                                                      \
    KEY(settling, "settling")                                                            \
    KEY(skipped, "skipped")                                                              \
    KEY(limits, "limits")                                                                \
    KEY(last, "last")                                                                    \
    KEY(state, "state")                                                                  \
    KEY(reject, "reject")                                                                \
    KEY(watermark, "watermark")                                                          \
    /* states of a mask's frame */                                                       \
    KEY(inferred, "inferred")                                                            \
    KEY(dropped, "dropped")                                                              \
    KEY(unsupported_rate, "unsupported_rate")                                            \
    KEY(failed, "failed")                                                                \
    /* a band */                                                                         \
    KEY(id, "id")                                                                        \
    KEY(label, "label")                                                                  \
    KEY(class_id, "class_id")                                                            \
    KEY(confidence, "confidence")                                                        \
    KEY(freq_lower_edge, "freq_lower_edge")                                              \
    KEY(freq_upper_edge, "freq_upper_edge")                                              \
    KEY(freq_reference, "freq_reference")                                                \
    KEY(rf, "rf")                                                                        \
    KEY(baseband, "baseband")                                                            \
    KEY(power_dbfs, "power_dbfs")                                                        \
    KEY(power_dbm, "power_dbm")                                                          \
    KEY(guess, "guess")                                                                  \
    KEY(snr_db, "snr_db")                                                                \
    KEY(pulse_width, "pulse_width")                                                      \
    KEY(track, "track")                                                                  \
    KEY(released, "released")                                                            \
    /* occupancy */                                                                      \
    KEY(occupancy, "occupancy")                                                          \
    KEY(sample_stop, "sample_stop")                                                      \
    KEY(bin_width, "bin_width")                                                          \
    KEY(spans, "spans")                                                                  \
    KEY(duty_cycle, "duty_cycle")                                                        \
    KEY(free, "free")                                                                    \
    KEY(occupied, "occupied")                                                            \
    KEY(valid_until, "valid_until")                                                      \
    /* a track */                                                                        \
    KEY(tracks, "tracks")                                                                \
    KEY(onset, "onset")                                                                  \
    KEY(update, "update")                                                                \
    KEY(end, "end")                                                                      \
    KEY(band_count, "band_count")                                                        \
    KEY(occupied_time, "occupied_time")                                                  \
    KEY(observed_time, "observed_time")                                                  \
    KEY(end_time, "end_time")                                                            \
    KEY(pulse_interval, "pulse_interval")                                                \
    KEY(parents, "parents")                                                              \
    KEY(children, "children")                                                            \
    /* status */                                                                         \
    KEY(source, "source")                                                                \
    KEY(spectrogram, "spectrogram")                                                      \
    KEY(segmenter, "segmenter")                                                          \
    KEY(recorder, "recorder")                                                            \
    KEY(scanner, "scanner")                                                              \
    KEY(event, "event")                                                                  \
    KEY(sample, "sample")                                                                \
    KEY(retune, "retune")                                                                \
    KEY(rate_change, "rate_change")                                                      \
    KEY(gap, "gap")                                                                      \
    KEY(gaps, "gaps")                                                                    \
    KEY(lost_samples, "lost_samples")                                                    \
    KEY(time_lost, "time_lost")                                                          \
    KEY(settled, "settled")                                                              \
    KEY(settling_samples, "settling_samples")                                            \
    KEY(overflows, "overflows")                                                          \
    KEY(uhd_async_msg, "uhd_async_msg")                                                  \
    KEY(lossless_overflow, "lossless_overflow")                                          \
    KEY(bad_message, "bad_message")                                                      \
    KEY(port, "port")                                                                    \
    KEY(reason, "reason")                                                                \
    KEY(total, "total")                                                                  \
    KEY(progress, "progress")                                                            \
    KEY(frames, "frames")                                                                \
    KEY(queue_depth, "queue_depth")                                                      \
    KEY(inference_ms, "inference_ms")                                                    \
    KEY(policy, "policy")                                                                \
    KEY(model_refused, "model_refused")                                                  \
    /* status of a feed */                                                               \
    KEY(feed, "feed")                                                                    \
    KEY(destination, "destination")                                                      \
    KEY(connected, "connected")                                                          \
    KEY(disconnected, "disconnected")                                                    \
    KEY(submitted, "submitted")                                                          \
    KEY(sent, "sent")                                                                    \
    KEY(refused, "refused")
// clang-format on

namespace gr {
namespace rfseg {
namespace keys {

#define RFSEG_DEFINE_KEY(name, text) inline constexpr char name[] = text;
RFSEG_KEYS(RFSEG_DEFINE_KEY)
#undef RFSEG_DEFINE_KEY

} // namespace keys
} // namespace rfseg
} // namespace gr
