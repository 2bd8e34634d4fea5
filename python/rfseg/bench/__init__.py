"""What a machine keeps up with: ``rfseg bench`` (:mod:`rfseg.bench.running`).

Flowgraphs run in the program ``gnuradio.rfseg.bench``, networks in PyTorch in ``rfseg.deployment.eager``; what is
compared is measured in turns, round by round, so that other work on the machine hits both alike.
"""
