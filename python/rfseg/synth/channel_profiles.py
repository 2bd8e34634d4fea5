"""Tapped delay lines of 3GPP: the tables alone."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LOS_DOPPLER_SHARE", "PROFILES", "Profile"]

LOS_DOPPLER_SHARE = 0.7  # Doppler shift of the line of sight re the maximum: 3GPP TR 38.901 clause 7.7.2


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One power delay profile.

    Parameters
    ----------
    delays : tuple of float
        Of the taps: s, or re the delay spread if the profile is scaled.
    powers_db : tuple of float
        Of the taps, to be normalised to 1 in all.
    is_scaled : bool
        Whether the delays are multiplied by a delay spread.
    has_los : bool
        Whether the first tap is a line of sight, which does not fade.
    """

    delays: tuple[float, ...]
    powers_db: tuple[float, ...]
    is_scaled: bool = False
    has_los: bool = False


def _fixed(delays_ns: str, powers_db: str) -> Profile:
    return Profile(delays=tuple(float(d) * 1e-9 for d in delays_ns.split()), powers_db=tuple(map(float, powers_db.split())))


def _scaled(delays: str, powers_db: str, *, has_los: bool = False) -> Profile:
    return Profile(
        delays=tuple(map(float, delays.split())),
        powers_db=tuple(map(float, powers_db.split())),
        is_scaled=True,
        has_los=has_los,
    )


PROFILES: dict[str, Profile] = {
    "flat": _fixed("0", "0"),  # one Rayleigh tap
    # 3GPP TS 36.104 annex B.2
    "EPA": _fixed("0 30 70 90 110 190 410", "0 -1 -2 -3 -8 -17.2 -20.8"),
    "EVA": _fixed("0 30 150 310 370 710 1090 1730 2510", "0 -1.5 -1.4 -3.6 -0.6 -9.1 -7 -12 -16.9"),
    "ETU": _fixed("0 50 120 200 230 500 1600 2300 5000", "-1 -1 -1 0 0 0 -3 -5 -7"),
    # 3GPP TS 38.101-4 annex B.2.1.1
    "TDLA30": _fixed(
        "0 10 15 20 25 50 65 75 105 135 150 290",
        "-15.5 0 -5.1 -5.1 -9.6 -8.2 -13.1 -11.5 -11 -16.2 -16.6 -26.2",
    ),
    "TDLB100": _fixed(
        "0 10 20 30 35 45 55 120 170 245 330 480",
        "0 -2.2 -0.6 -0.6 -0.3 -1.2 -5.9 -2.2 -0.8 -6.3 -7.5 -7.1",
    ),
    "TDLC300": _fixed(
        "0 65 70 190 195 200 240 325 520 1045 1510 2595",
        "-6.9 0 -7.7 -2.5 -2.4 -9.9 -8 -6.6 -7.1 -13 -14.2 -16",
    ),
    # 3GPP TR 38.901 tables 7.7.2-1 to 7.7.2-5
    "TDL-A": _scaled(
        "0 .3819 .4025 .5868 .4610 .5375 .6708 .5750 .7618 1.5375 1.8978 2.2242 2.1718 2.4942 2.5119 3.0582"
        " 4.0810 4.4579 4.5695 4.7966 5.0066 5.3043 9.6586",
        "-13.4 0 -2.2 -4 -6 -8.2 -9.9 -10.5 -7.5 -15.9 -6.6 -16.7 -12.4 -15.2 -10.8 -11.3"
        " -12.7 -16.2 -18.3 -18.9 -16.6 -19.9 -29.7",
    ),
    "TDL-B": _scaled(
        "0 .1072 .2155 .2095 .2870 .2986 .3752 .5055 .3681 .3697 .5700 .5283 1.1021 1.2756 1.5474 1.7842"
        " 2.0169 2.8294 3.0219 3.6187 4.1067 4.2790 4.7834",
        "0 -2.2 -4 -3.2 -9.8 -1.2 -3.4 -5.2 -7.6 -3 -8.9 -9 -4.8 -5.7 -7.5 -1.9"
        " -7.6 -12.2 -9.8 -11.4 -14.9 -9.2 -11.3",
    ),
    "TDL-C": _scaled(
        "0 .2099 .2219 .2329 .2176 .6366 .6448 .6560 .6584 .7935 .8213 .9336 1.2285 1.3083 2.1704 2.7105"
        " 4.2589 4.6003 5.4902 5.6077 6.3065 6.6374 7.0427 8.6523",
        "-4.4 -1.2 -3.5 -5.2 -2.5 0 -2.2 -3.9 -7.4 -7.1 -10.7 -11.1 -5.1 -6.8 -8.7 -13.2"
        " -13.9 -13.9 -15.8 -17.1 -16 -15.7 -21.6 -22.8",
    ),
    "TDL-D": _scaled(
        "0 0 .035 .612 1.363 1.405 1.804 2.596 1.775 4.042 7.937 9.424 9.708 12.525",
        "-0.2 -13.5 -18.8 -21 -22.8 -17.9 -20.1 -21.9 -22.9 -27.8 -23.6 -24.8 -30 -27.7",
        has_los=True,
    ),
    "TDL-E": _scaled(
        "0 0 .5133 .5440 .5630 .5440 .7112 1.9092 1.9293 1.9589 2.6426 3.7136 5.4524 12.0034 20.6519",
        "-.03 -22.03 -15.8 -18.1 -19.8 -22.9 -22.4 -18.6 -20.8 -22.6 -22.3 -25.6 -20.2 -29.8 -29.2",
        has_los=True,
    ),
}
