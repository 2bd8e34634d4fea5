"""Radars: NTIA's bins, DFS test waveforms, air traffic control, weather, ships, FMCW and phase codes.

`draw_radar` draws a record, `radar_samples` makes its samples; the record alone tells `pulse_times`,
`bandwidth` and `occupied_edges`.  Every scene begins at a random moment of the pulse train, so no row is special.
"""

from .codes import BARKER_CODES, CODES, code_phases
from .draw import FAMILIES, draw_radar
from .samples import radar_samples
from .timing import pulse_times, scan_gain_db
from .train import MODULATIONS, Echo, Pulse, PulseTrain
from .waveform import bandwidth, occupied_edges

__all__ = [
    "BARKER_CODES",
    "CODES",
    "FAMILIES",
    "MODULATIONS",
    "Echo",
    "Pulse",
    "PulseTrain",
    "bandwidth",
    "code_phases",
    "draw_radar",
    "occupied_edges",
    "pulse_times",
    "radar_samples",
    "scan_gain_db",
]
