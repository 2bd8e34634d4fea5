"""A receiver that runs for as long as it is let: what it can be told, and what it tells, without GNU Radio.

Import from the modules: ``settings`` (all of a receiver, from TOML, a table or options) with ``sources`` (what it receives
from), ``commands`` (what may change while it runs) and ``status`` (how it is doing).  The flowgraph that keeps to them is
:mod:`gnuradio.rfseg.live`.
"""
