"""Exit codes; those of ``rfseg live``, which becomes another program, are in ``gnuradio.rfseg.live``."""

__all__ = ["EXIT_BAD_INPUT", "EXIT_DONE", "EXIT_FAULTS", "EXIT_INTERRUPTED"]

EXIT_DONE = 0
EXIT_FAULTS = 1  # rfseg doctor found what keeps something from working
EXIT_BAD_INPUT = 2  # argparse's code too
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
