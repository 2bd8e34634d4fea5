# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless receiver: what ``rfseg live`` runs, as the program ``python -m gnuradio.rfseg.live``.

The library checks the settings (:mod:`rfseg.live.settings`) and starts this program; scripts may use
:class:`gnuradio.rfseg.live.receiver.Receiver` themselves.
"""
