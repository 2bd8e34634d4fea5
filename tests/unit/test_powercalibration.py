"""dBFS to dBm: constants, tables, files and what is refused."""

import pytest

from rfseg.errors import BandError
from rfseg.bands.calibration import PowerCalibration


@pytest.mark.parametrize("value", [-31.5, "-31.5", PowerCalibration.read(-31.5)])
def test_a_number_holds_at_all_frequencies(value):
    calibration = PowerCalibration.read(value)
    assert calibration.is_constant
    assert calibration.power_dbm(-20.0, 1e9, 1.1e9, "rf") == pytest.approx(-51.5)
    assert calibration.power_dbm(-20.0, -1e6, 1e6, "baseband") == pytest.approx(-51.5)


def test_a_table_is_read_at_the_bands_centre_with_straight_lines_and_its_ends_beyond():
    calibration = PowerCalibration.read([(1e9, -30.0), (2e9, -34.0)])
    assert calibration.power_dbm(0.0, 1.4e9, 1.6e9, "rf") == pytest.approx(-32.0)
    assert [calibration.full_scale_dbm(f) for f in (0.5e9, 6e9)] == [-30.0, -34.0]


def test_a_table_says_nothing_where_the_frequency_is_not_known():
    assert PowerCalibration(((1e9, -30.0), (2e9, -34.0))).power_dbm(0.0, -1e6, 1e6, "baseband") is None


def test_a_file_has_a_frequency_and_a_power_on_each_line(tmp_path):
    file = tmp_path / "receiver.csv"
    file.write_text("# Hz, dBm at 0 dBFS\n1e9, -30\n\n2e9,-34  # measured\n")
    assert PowerCalibration.read(file).points == ((1e9, -30.0), (2e9, -34.0))
    assert PowerCalibration.read(str(file)) == PowerCalibration.read(file)


@pytest.mark.parametrize(
    "points, text",
    [
        ((), "calibration has no points; give a number of dB"),
        (((1e9, float("nan")),), "nan dBm at 1000000000.0 Hz; both must be finite"),
        (((2e9, -30.0), (1e9, -30.0)), "1e[+]09 Hz follows 2e[+]09 Hz; sort the points"),
    ],
)
def test_points_that_make_no_sense_are_refused(points, text):
    with pytest.raises(BandError, match=text):
        PowerCalibration(points)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(BandError, match="is neither a number of dB nor a file that can be read"):
        PowerCalibration.read(tmp_path / "none.csv")
    (tmp_path / "bad.csv").write_text("1e9,-30\n2e9;-34\n")
    with pytest.raises(BandError, match="bad.csv, line 2: '2e9;-34' is not a frequency in Hz, a comma and a power"):
        PowerCalibration.read(tmp_path / "bad.csv")
    with pytest.raises(BandError, match="both must be finite"):
        PowerCalibration.read("inf")
