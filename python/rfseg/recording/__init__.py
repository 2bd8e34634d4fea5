"""Recording of a stream as SigMF: all of it, or what lies around chosen bands.

:class:`~rfseg.recording.recorder.Recorder` takes samples, the bands found in them and what changes in the stream, and
writes from a thread of its own; :mod:`rfseg.recording.files` keeps what is on disk readable at every moment;
:func:`~rfseg.recording.recovery.recover` completes what a crash interrupted.
"""
