"""Networks, one architecture per file, and what wraps them for use: see :mod:`rfseg.models.deployable`."""
