"""Datasets: what others published, SigMF recordings, and the sharded sets that networks train on.

Import from the modules: ``rfseg.datasets.published`` reads the published sets, ``rfseg.datasets.annotated``
SigMF recordings, ``rfseg.datasets.shardset`` and ``rfseg.datasets.writing`` sharded sets.  NumPy, SciPy and
Pillow are all that it needs.
"""
