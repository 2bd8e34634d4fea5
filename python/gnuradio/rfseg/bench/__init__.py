# SPDX-License-Identifier: GPL-3.0-or-later
"""The program behind ``rfseg bench``: flowgraphs that are measured, ``python -m gnuradio.rfseg.bench TASK``."""
