"""Recordings: SigMF or raw IQ on disk, read as complex64 in pieces of any size.

Only what is asked for is read, so memory does not grow with the file.  The reader follows SigMF 1.2:
recordings, ``.sigmf`` archives, data files of another name (``core:dataset``), files with header
and trailing bytes.  Unlike the package ``sigmf``, against which it is tested, it refuses
data that is cut inside a sample, and reads every capture of a file with headers in between.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .datatype import Datatype
from .errors import RecordingError
from .geometry import RxTime
from .sigmf_files import Source, locate

__all__ = ["Capture", "Chunk", "Recording", "open_recording"]

_DATETIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?Z")
_HASH_BLOCK = 1 << 22  # bytes
_LARGEST = 2**63  # above every index and frequency of SigMF

Capture = tuple[int, "float | None", "RxTime | None"]  # first sample, RF centre (Hz), its moment


@dataclass(frozen=True)
class Chunk:
    """Samples that lie behind one another on disk."""

    sample_start: int
    sample_count: int
    byte_start: int


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording on disk; made by :func:`open_recording`.

    Parameters
    ----------
    source
        Which bytes of which file are the dataset.
    samp_rate : float
        Complex samples per second, Hz.
    datatype : Datatype
    sample_count : int
    captures : tuple of (int, float or None, RxTime or None)
        First sample, RF centre (Hz) and moment of each piece; the first begins at sample 0.
    metadata : dict
        The SigMF metadata, as read or as made for raw IQ.
    sample_offset : int
        What SigMF's sample indices are ahead of those of this class (``core:offset``).
    """

    source: Source = field(repr=False)
    samp_rate: float
    datatype: Datatype
    sample_count: int
    captures: tuple[Capture, ...]
    metadata: dict[str, Any] = field(repr=False)
    sample_offset: int
    chunks: tuple[Chunk, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the recording: the file's, without folder and suffix."""
        return self.source.name

    @property
    def data_path(self) -> Path:
        """File that holds the samples."""
        return self.source.data_path

    @property
    def meta_path(self) -> Path | None:
        """File of the metadata; None for raw IQ and archives."""
        return self.source.meta_path

    @property
    def center_freq(self) -> float | None:
        """RF centre of the first capture, Hz, if known."""
        return self.captures[0][1]

    @property
    def duration(self) -> float:
        """Seconds of signal."""
        return self.sample_count / self.samp_rate

    @property
    def annotations(self) -> list[Any]:
        """Annotations that the recording came with."""
        return self.metadata["annotations"]

    def read(self, start: int, count: int) -> np.ndarray:
        """Samples ``start`` to ``start + count``: complex64 ``(count,)``, full scale 1.

        Raises
        ------
        RecordingError
            If the recording does not hold them, or the file can no longer be read.
        """
        if start < 0 or count < 0 or start + count > self.sample_count:
            raise RecordingError(
                f"samples {start} to {start + count} are not in {self.data_path}, which holds {self.sample_count}"
            )
        samples = np.empty(count, np.complex64)
        for chunk in self.chunks:
            first = max(start, chunk.sample_start)
            stop = min(start + count, chunk.sample_start + chunk.sample_count)
            if first < stop:
                byte = chunk.byte_start + (first - chunk.sample_start) * self.datatype.sample_bytes
                samples[first - start : stop - start] = self._load(byte, stop - first)
        return samples

    def _load(self, byte_start: int, count: int) -> np.ndarray:
        try:
            components = np.fromfile(self.data_path, self.datatype.component, 2 * count, offset=byte_start)
        except OSError as error:
            raise _unreadable(self.data_path, error) from error
        if components.size != 2 * count:
            raise RecordingError(f"{self.data_path} became shorter while it was read; let its writer finish")
        return self.datatype.to_complex64(components)

    def has_stated_hash(self) -> bool | None:
        """Whether the data has the SHA-512 of the metadata, None if it states none; reads the whole file."""
        stated = self.metadata["global"].get("core:sha512")
        if not isinstance(stated, str):
            return None
        digest = hashlib.sha512()
        try:
            with open(self.data_path, "rb") as file:
                file.seek(self.source.byte_start)
                for left in range(self.source.byte_stop - self.source.byte_start, 0, -_HASH_BLOCK):
                    digest.update(file.read(min(_HASH_BLOCK, left)))
        except OSError as error:
            raise _unreadable(self.data_path, error) from error
        return digest.hexdigest() == stated.lower()


def open_recording(
    path: str | Path,
    *,
    samp_rate: float | None = None,
    datatype: str | None = None,
    center_freq: float | None = None,
) -> Recording:
    """Open a SigMF recording or a raw IQ file.

    Parameters
    ----------
    path : str or Path
        A ``.sigmf-meta``, ``.sigmf-data`` or ``.sigmf`` file, the name of a recording without suffix, or
        a file of interleaved I and Q.
    samp_rate, datatype, center_freq
        What the file does not say itself: complex samples per second (Hz), type of the samples,
        RF centre (Hz).  Raw IQ needs the first two.

    Raises
    ------
    RecordingError
        If a file is missing, unreadable, empty, cut inside a sample or of an unknown type, or contradicts
        the arguments.
    """
    path = Path(path)
    try:
        source, metadata = locate(path, is_raw=samp_rate is not None and datatype is not None)
        if not os.access(source.data_path, os.R_OK):  # said here, not when the stream has begun
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source.data_path))
    except OSError as error:
        raise _unreadable(error.filename or path, error) from error
    where = source.described_in
    kind, rate = _complete(metadata, where, samp_rate=samp_rate, datatype=datatype, center_freq=center_freq)
    offset = _sample_offset(metadata, where)
    chunks = _make_chunks(source, metadata, kind, offset)
    return Recording(
        source=source,
        samp_rate=rate,
        datatype=kind,
        sample_count=chunks[-1].sample_start + chunks[-1].sample_count,
        captures=tuple(
            (chunk.sample_start, _number(capture, "core:frequency", where), _rx_time(capture, where))
            for chunk, capture in zip(chunks, metadata["captures"])
        ),
        metadata=metadata,
        sample_offset=offset,
        chunks=chunks,
    )


def _unreadable(path: str | Path, error: OSError) -> RecordingError:
    reason = error.strerror or error
    return RecordingError(f"{path} cannot be read: {reason}; check that it is there and who may read it")


def _complete(
    metadata: dict[str, Any],
    where: str,
    *,
    samp_rate: float | None,
    datatype: str | None,
    center_freq: float | None,
) -> tuple[Datatype, float]:
    """Put what the user says where the metadata says nothing; the datatype and the rate (Hz) that result."""
    info = metadata["global"]
    if "core:datatype" in info:
        info["core:datatype"] = Datatype.from_name(info["core:datatype"], source=where).name
    if datatype is not None:
        datatype = Datatype.from_name(datatype, source="the argument").name
    _fill_in(info, "core:datatype", datatype, where)
    _fill_in(info, "core:sample_rate", samp_rate, where)
    for capture in metadata["captures"]:
        _fill_in(capture, "core:frequency", center_freq, where)
    rate = _number(info, "core:sample_rate", where)
    if rate is None or rate <= 0:
        raise RecordingError(f"core:sample_rate={rate!r} in {where}, expected a rate above 0 Hz; give --samp-rate")
    if info.get("core:num_channels", 1) != 1:
        raise RecordingError(
            f"{where} interleaves {info['core:num_channels']!r} channels, expected 1; split it into one file each"
        )
    return Datatype.from_name(info.get("core:datatype"), source=where), rate


def _fill_in(entry: dict[str, Any], key: str, given: float | str | None, where: str) -> None:
    stated = entry.get(key)
    if stated is None and given is not None:
        entry[key] = given
    elif given not in (None, stated):
        raise RecordingError(f"{key} is {stated!r} in {where}, but {given!r} was given; omit it or correct the file")


def _number(entry: dict[str, Any], key: str, where: str) -> float | None:
    """A finite number of the metadata; None where there is none."""
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _LARGEST:
        raise RecordingError(f"{key}={value!r} in {where}, expected a finite number; correct it")
    return float(value)


def _count(entry: dict[str, Any], key: str, where: str) -> int:
    """An index or a size of the metadata; 0 where there is none."""
    value = entry.get(key, 0)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < _LARGEST or value != value // 1:
        raise RecordingError(f"{key}={value!r} in {where}, expected an integer from 0 on; correct it")
    return int(value)


def _sample_offset(metadata: dict[str, Any], where: str) -> int:
    """What the metadata's sample indices are ahead of the file's.

    SigMF: all indices include ``core:offset``.  Files exist that ignore it; they show by an index below it.
    """
    offset = _count(metadata["global"], "core:offset", where)
    starts = [_count(capture, "core:sample_start", where) for capture in metadata["captures"]]
    if starts != sorted(starts):
        raise RecordingError(f"the captures in {where} begin at {starts}, expected an ascending order; sort them")
    offset = offset if starts[0] >= offset else 0
    if starts[0] > offset:  # what lies before the first capture is signal too, of unknown frequency and time
        metadata["captures"].insert(0, {"core:sample_start": offset})
    return offset


def _make_chunks(source: Source, metadata: dict[str, Any], datatype: Datatype, offset: int) -> tuple[Chunk, ...]:
    """One chunk for each capture.

    Raises
    ------
    RecordingError
        If the file is empty, ends inside a sample, or before a capture begins.
    """
    where, captures = source.described_in, metadata["captures"]
    headers = [_count(capture, "core:header_bytes", where) for capture in captures]
    skipped = sum(headers) + _count(metadata["global"], "core:trailing_bytes", where)
    size = source.byte_stop - source.byte_start - skipped
    if size <= 0:
        besides = f" besides {skipped} bytes of headers and trailer" if skipped else ""
        raise RecordingError(f"{source.data_path} holds no samples{besides}; record it again")
    sample_count, rest = divmod(size, datatype.sample_bytes)
    if rest:
        raise RecordingError(
            f"{source.data_path} holds {size} bytes of samples, not a multiple of the {datatype.sample_bytes} of one"
            f" {datatype.name} sample; correct the datatype, or if the file was cut short drop its last {rest} bytes:"
            f" truncate -s -{rest} FILE"
        )
    starts = [_count(capture, "core:sample_start", where) - offset for capture in captures]
    if starts[-1] >= sample_count:
        raise RecordingError(
            f"{source.data_path} is truncated: it holds {sample_count} samples, but a capture begins at sample"
            f" {starts[-1]}; fetch the whole file"
        )
    chunks, byte = [], source.byte_start
    for start, stop, header in zip(starts, [*starts[1:], sample_count], headers):
        byte += header
        chunks.append(Chunk(start, stop - start, byte))
        byte += (stop - start) * datatype.sample_bytes
    return tuple(chunks)


def _rx_time(capture: dict[str, Any], where: str) -> RxTime | None:
    """Moment of a capture, to the last digit written; None where none is stated."""
    stated = capture.get("core:datetime")
    if stated is None:
        return None
    match = _DATETIME.fullmatch(stated) if isinstance(stated, str) else None
    try:
        *minute, second = (int(part) for part in match.groups()[:6])
        fraction = float(match[7] or 0) % 1.0  # digits beyond a double's may round it up to 1
        since_epoch = datetime(*minute, tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    except (AttributeError, ValueError):
        raise RecordingError(
            f"core:datetime={stated!r} in {where}, expected such as 2026-01-31T12:34:56.789Z; correct or remove it"
        ) from None
    return RxTime(seconds=since_epoch.days * 86400 + since_epoch.seconds + second, fraction=fraction)
