"""PMT adapters: each value survives the round trip, and nothing malformed passes."""

from __future__ import annotations

from dataclasses import replace

import pmt
import pytest
from gnuradio.rfseg import rfseg_python
from gnuradio.rfseg.messages import BandsMessage, FrameTag, band_from_pmt, band_to_pmt, event_to_pmt

from gnuradio import rfseg
from rfseg.bands import Band
from rfseg.errors import BandError
from rfseg.geometry import Frame, RxTime
from rfseg.pipeline import FrameState

FRAME = Frame(
    index=7,
    sample_start=2**40 + 1,
    sample_count=30_720,
    valid_samples=20_000,
    samp_rate=61.44e6,
    center_freq=3.6e9 + 0.25,
    rx_time=RxTime(seconds=1_790_000_000, fraction=0.123456789012),
    settling=True,
    last=True,
)
TAG = FrameTag(frame=FRAME, non_finite=3, state=FrameState.INFERRED, model="threshold", reject={"LTE": 0.5, "NR": 0.0})
BARE_TAG = FrameTag(frame=Frame(index=0, sample_start=0, sample_count=8, valid_samples=8, samp_rate=20e6))
BAND = Band(
    label="LTE",
    class_id=1,
    confidence=0.75,
    freq_lower_edge=3.591e9,
    freq_upper_edge=3.609e9 + 1 / 3,
    freq_reference="rf",
    sample_start=2**40 + 5,
    sample_count=1000,
    power_dbfs=-31.25,
    power_dbm=-61.75,
    snr_db=17.5,
    pulse_width=1.25e-5,
    model="threshold",
    id=2**33,
)
BARE_BAND = Band(
    label="Radar",
    class_id=3,
    confidence=1.0,
    freq_lower_edge=-1e6,
    freq_upper_edge=1e6,
    freq_reference="baseband",
    sample_start=0,
    sample_count=1,
)


@pytest.mark.parametrize("tag", [TAG, BARE_TAG, replace(TAG, reject={})])
def test_frame_tags_survive_the_round_trip(tag):
    assert FrameTag.from_pmt(tag.to_pmt()) == tag


@pytest.mark.parametrize("band", [BAND, BARE_BAND])
def test_bands_survive_the_round_trip(band):
    assert band_from_pmt(band_to_pmt(band)) == band


def plain_dict(band: Band) -> pmt.pmt_base:
    """The specification of a band's dictionary: one key after the other."""
    converters = {"id": pmt.from_uint64, "class_id": pmt.from_long, "track": pmt.from_uint64}
    converters.update(dict.fromkeys(("sample_start", "sample_count"), pmt.from_uint64))
    converters.update(dict.fromkeys(("label", "freq_reference", "model", "guess"), pmt.intern))
    message = pmt.make_dict()
    for key, value in vars(band).items():
        if value is not None:
            message = pmt.dict_add(message, pmt.intern(key), converters.get(key, pmt.from_double)(value))
    return message


@pytest.mark.parametrize("band", [BAND, BARE_BAND, replace(BAND, track=7, label="Unknown", guess="LTE")])
def test_bands_become_what_one_key_after_the_other_would_make(band):
    made, plain = band_to_pmt(band), plain_dict(band)
    assert pmt.to_python(made) == pmt.to_python(plain)
    for key in pmt.to_python(plain):  # of the same type too
        assert pmt.eqv(*(pmt.dict_ref(one, pmt.intern(key), pmt.PMT_NIL) for one in (made, plain)))
    assert band_from_pmt(plain) == band
    assert band_from_pmt(pmt.dict_add(plain, pmt.intern("of another block"), pmt.PMT_T)) == band


def test_of_two_values_of_a_key_the_newer_counts():
    assert band_from_pmt(pmt.acons(pmt.intern("id"), pmt.from_uint64(5), band_to_pmt(BAND))) == replace(BAND, id=5)


def test_a_value_of_another_type_is_not_sent():
    with pytest.raises(TypeError, match="a band: id is 1.5, expected an integer of at least 0"):
        band_to_pmt(replace(BAND, id=1.5))


def test_a_record_of_unknown_types_is_refused():
    with pytest.raises(ValueError, match='type "f32" is not known; choose u64, int, f64 or sym'):
        rfseg_python.record("a band", Band, BandError, [("id", "f32", True)])
    with pytest.raises(BandError, match="a band: #t is no vector of dictionaries"):
        rfseg_python.record("a band", Band, BandError, []).from_vector(pmt.PMT_T)


@pytest.mark.parametrize("bands", [(), (BAND,), (BAND, BARE_BAND)])
def test_messages_survive_the_round_trip_and_serialisation(bands):
    message = BandsMessage(tag=TAG, bands=bands)
    assert BandsMessage.from_pmt(message.to_pmt()) == message
    assert BandsMessage.from_pmt(pmt.deserialize_str(pmt.serialize_str(message.to_pmt()))) == message
    assert message.watermark == FRAME.sample_start + 20_000


def test_what_is_not_known_is_absent():
    keys = pmt.to_python(BARE_TAG.to_pmt()).keys()
    assert not {"center_freq", "rx_time", "state", "model"} & set(keys)
    assert not {"power_dbfs", "power_dbm", "snr_db", "pulse_width"} & set(pmt.to_python(band_to_pmt(BARE_BAND)).keys())


def test_an_ending_message_keeps_the_watermark_and_has_no_bands():
    message = BandsMessage(tag=BARE_TAG, bands=(BAND,)).ending()
    assert message.tag.frame.last and not message.bands
    assert message.watermark == BARE_TAG.frame.watermark


def test_events_carry_source_and_fields():
    event = event_to_pmt("segmenter", "progress", {"frames": 2**40, "inference_ms": 1.5, "model": "m"})
    assert pmt.is_uint64(pmt.dict_ref(event, pmt.intern("frames"), pmt.PMT_NIL))
    assert pmt.to_python(event) == {
        "source": "segmenter",
        "event": "progress",
        "frames": 2**40,
        "inference_ms": 1.5,
        "model": "m",
    }


FRAME_DAMAGE = [
    ("index", pmt.from_long(-1), "index is -1, expected an integer of at least 0"),
    ("sample_start", pmt.from_double(1.0), "sample_start is 1, expected an integer of at least 0"),
    ("samp_rate", pmt.intern("fast"), "samp_rate is fast, expected a finite real number"),
    ("samp_rate", pmt.from_double(float("nan")), "expected a finite real number"),
    ("settling", pmt.from_long(3), "settling is 3, expected true or false"),
    ("last", pmt.from_long(1), "last is 1, expected true or false"),
    ("rx_time", pmt.from_double(1.5), "expected a tuple of whole seconds and a fraction"),
    ("rx_time", pmt.make_tuple(pmt.from_uint64(1), pmt.from_double(1.5)), "must lie in 0"),
    ("state", pmt.intern("lost"), "state is lost, expected one of inferred, dropped"),
    ("model", pmt.PMT_T, "model is #t, expected a symbol"),
    ("reject", pmt.from_double(0.5), "reject is 0.5, expected a dictionary of labels and numbers from 0 to 1"),
    ("reject", pmt.to_pmt({"LTE": 1.5}), "expected a dictionary of labels and numbers from 0 to 1"),
    ("valid_samples", pmt.from_uint64(0), "valid_samples=0 must lie in 1 to sample_count=30720"),
]


@pytest.mark.parametrize("key, value, text", FRAME_DAMAGE)
def test_a_malformed_frame_is_refused_with_the_value(key, value, text):
    with pytest.raises(BandError) as caught:
        FrameTag.from_pmt(pmt.dict_add(TAG.to_pmt(), pmt.intern(key), value))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "key", ["index", "sample_start", "sample_count", "valid_samples", "samp_rate", "settling", "last"]
)
def test_a_frame_without_a_key_is_refused_by_its_name(key):
    with pytest.raises(BandError, match=f"rfseg_frame lacks the key {key}"):
        FrameTag.from_pmt(pmt.dict_delete(TAG.to_pmt(), pmt.intern(key)))


@pytest.mark.parametrize(
    "key, value, text",
    [
        ("bands", pmt.intern("none"), "bands is none, expected a vector of dictionaries"),
        ("watermark", pmt.from_uint64(5), "watermark=5 does not end the frame"),
        ("bands", pmt.make_vector(1, pmt.PMT_T), "a band is #t, expected a dictionary"),
        ("bands", pmt.make_vector(1, pmt.make_dict()), "a band lacks the key id"),
        ("bands", pmt.make_vector(1, pmt.to_pmt({"id": -1})), "a band: id is -1, expected an integer of at least 0"),
    ],
)
def test_a_malformed_message_is_refused_with_the_value(key, value, text):
    message = BandsMessage(tag=TAG, bands=(BAND,)).to_pmt()
    with pytest.raises(BandError) as caught:
        BandsMessage.from_pmt(pmt.dict_add(message, pmt.intern(key), value))
    assert text in str(caught.value)


def test_a_band_upside_down_is_refused():
    with pytest.raises(BandError, match="are no band; the lower must be below"):
        band_from_pmt(pmt.dict_add(band_to_pmt(BAND), pmt.intern("freq_upper_edge"), pmt.from_double(0.0)))


@pytest.mark.parametrize("message", [pmt.PMT_T, pmt.intern("bands"), pmt.from_double(3.5)])
def test_what_is_no_dictionary_is_refused(message):
    for read in (FrameTag.from_pmt, BandsMessage.from_pmt, band_from_pmt):
        with pytest.raises(BandError, match="expected a dictionary"):
            read(message)


def test_the_public_names_are_sorted_and_there():
    assert rfseg.__all__ == sorted(rfseg.__all__)
    assert all(hasattr(rfseg, name) for name in rfseg.__all__)
