"""Every exception the library raises on purpose.

::

    RfsegError
    |-- GeometryError(ValueError)       a rate, duration, FFT size or array shape that cannot be
    |-- ContractError(ValueError)       a model file without a contract, or one that breaks it
    |-- RecordingError(ValueError)      a recording that is missing, truncated or of an unknown type
    |-- BandError(ValueError)           a band or a ``bands`` message that makes no sense
    |-- OptionError(ValueError)         a mode, policy, depth or setting that does not exist
    |-- SceneError(ValueError)          a scene or training recipe that cannot be realised
    |-- DatasetError(ValueError)        a dataset, or a file of one, that is missing, damaged or contradicts itself
    |-- SourceError(RuntimeError)       a radio or stream that is missing, fails or has vanished
    |-- FeedError(ValueError)           a feed's destination, option or message that makes no sense
    |-- RemoteError(RuntimeError)       inference elsewhere: nobody answers, or a request is refused
    `-- BackendUnavailableError(ImportError)   an optional package is missing; says how to install it

Each message states what is wrong, the value, what was expected, and what to do.  The command line
catches :class:`RfsegError` and nothing else.
"""

__all__ = [
    "BackendUnavailableError",
    "BandError",
    "ContractError",
    "DatasetError",
    "FeedError",
    "GeometryError",
    "OptionError",
    "RecordingError",
    "RemoteError",
    "RfsegError",
    "SceneError",
    "SourceError",
]


class RfsegError(Exception):
    """Base of every error this library raises on purpose."""


class GeometryError(RfsegError, ValueError):
    """A rate, duration, FFT size or array shape that the geometry rule does not allow."""


class ContractError(RfsegError, ValueError):
    """A model file without a contract, or one that does not keep it."""


class RecordingError(RfsegError, ValueError):
    """A recording that is missing, truncated, empty or of an unknown datatype."""


class BandError(RfsegError, ValueError):
    """A band, or a message that should carry bands, that makes no sense."""


class OptionError(RfsegError, ValueError):
    """A mode, policy or depth that does not exist."""


class SceneError(RfsegError, ValueError):
    """A scene or training recipe that cannot be realised."""


class DatasetError(RfsegError, ValueError):
    """A dataset, or a file of one, that is missing, damaged, of unknown form or contradicts itself."""


class FeedError(RfsegError, ValueError):
    """A feed's destination, option or message that makes no sense, or a message that can never be delivered."""


class SourceError(RfsegError, RuntimeError):
    """A radio or stream that is missing, fails or has vanished; the message says what was found instead."""


class RemoteError(RfsegError, RuntimeError):
    """Inference elsewhere that does not answer, or refuses; ``is_lost`` says that nobody answered."""

    def __init__(self, message: str, *, is_lost: bool = False) -> None:
        super().__init__(message)
        self.is_lost = is_lost


class BackendUnavailableError(RfsegError, ImportError):
    """An optional package is missing; the message names the command that installs it."""
