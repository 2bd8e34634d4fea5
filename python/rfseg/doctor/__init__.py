"""What is wrong with an installation, and how to mend it: ``rfseg doctor`` (:func:`rfseg.doctor.checks.examine`).

Nothing here imports NumPy, ONNX Runtime or GNU Radio: what may be broken is tried in a process of its own.
"""
