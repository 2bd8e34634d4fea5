# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt half of the displays; what they show is in the library, ``rfseg.display``.

Imported only when a display is made, so that hosts without PyQt5 can use all other blocks.
"""
