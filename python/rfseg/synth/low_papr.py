"""Low peak-to-average sequences of both uplinks: 3GPP TS 36.211 clause 5.5.1 and TS 38.211 clause 5.2.2.

Both standards extend a Zadoff-Chu sequence of prime length cyclically; they differ in the tables of the
short sequences and in which lengths count as short.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import SceneError

__all__ = ["GROUPS", "base_sequence", "low_papr", "precodable", "zadoff_chu"]

GROUPS = 30  # sequence groups u

# Phases of the short sequences in the order of their group, a digit each: phi = 2 digit - 3, r(n) = exp(j phi pi / 4)
_LTE_PHASES = {  # TS 36.211 tables 5.5.1.2-1 and -2
    12: (
        "123033223203 223331200203 220001002021 122221002031 132121012123 203112211302 130003213302 011120312032 "
        "203211122312 201331022222 131220010031 321133023233 202202220002 330302231033 021013233312 312011223210 "
        "232123331131 022303003231 032202001120 132321130101 102222321201 131200000210 220000130203 221010212312 "
        "223233121002 203323320113 230030211310 010103212300 130313303311 300110130321"
    ),
    24: (
        "132031230323032212303010 030002003122232130023220 313322033332131221011233 102230220112323213220101 "
        "111001223313121021002011 022312320202211310300022 221130030211212210121310 033110132323221321230112 "
        "023021030311112000200020 220331013033312202122022 120031311000100212331213 233002321000330331031202 "
        "233222112031220331030101 311110133212333122023103 003232032322331102013223 112023021013232100110001 "
        "103111122032332120202201 231331021033312231013111 222221310223020122003220 233210313330212101231300 "
        "103000110103230131213021 002212121320121211330120 010321010030301232023310 111133323302313133032133 "
        "213310301131311222211013 212131322110220230220011 012322011030320302120222 103322310111320013010101 "
        "101120112102202003221311 221101313123213230021123"
    ),
}
_NR_PHASES = {  # TS 38.211 tables 5.2.2.2-1 to -4
    6: (
        "013310 031130 000320 222310 222013 021000 023000 012021 010200 002030 023200 010220 223103 223313 222031 "
        "222130 011131 001210 000201 022010 030220 020001 220323 220020 223133 220233 221131 221311 221301 220211"
    ),
    12: (
        "020003012220 032023112333 033203123030 001333030210 011232212102 003200013123 213111012220 103100012120 "
        "013201032332 011001032310 030330113320 010110331120 013001021033 021133011010 230233321213 023110011320 "
        "111120133102 122123311020 023311033030 003013331020 323230123210 032302222303 033310010230 310301333010 "
        "012023331033 032133021212 123021211021 003330120320 213221112302 030300311230"
    ),
    18: (
        "131032013011222111 303123010010321303 032113012222213101 003332023320031012 221101200020112132 "
        "302231211022133031 031232012202331000 220332303122120013 020020032010001223 313200120033323030 "
        "000203223002313003 003331101113200131 010022101011331323 220000230332013102 031010220011302322 "
        "320203310010030123 010102301333210310 013313101210111332 020113200010022211 333010131210200133 "
        "022022301013031110 201033102001012333 002112201333313232 310200033120132233 311201010010222003 "
        "002033313220003011 011020311033013111 003302310210301113 102000223303301302 032111121330123131"
    ),
    24: (
        "103132312010123010333000 103220200201130333023300 100211023101102232011300 203101332122301000130100 "
        "130013112323110232102100 012002203110232101020000 032312020210100001112200 023121303101031110110330 "
        "020311103210123121200000 221012202120300310230200 000130323201102232103230 031321113322233200120230 "
        "303102321101303113300300 031313322023030012301100 020113230213310301100030 011020011312132013221100 "
        "002133012112211302021110 313120220030111110012200 020200202000002002202200 003321112012130101120310 "
        "001110210130203033211200 312130223103203111120000 020302032101000023123330 012011222331212110003210 "
        "031011131130130301322100 021001201022122333121210 131133111310232200010100 300133013222313013132100 "
        "020202232001231032100000 301231101310103132203000"
    ),
}
_PHASES = {"lte": _LTE_PHASES, "nr": _NR_PHASES}


def zadoff_chu(root: int, length: int) -> np.ndarray:
    """``exp(-j pi root n (n + 1) / length)`` for an odd length, complex128 ``(length,)``."""
    n = np.arange(length)
    return np.exp(-1j * np.pi * ((root * n * (n + 1)) % (2 * length)) / length)


@lru_cache(maxsize=512)
def _largest_prime(below: int) -> int:
    """The largest prime number below ``below``."""
    return next(n for n in range(below - 1, 1, -1) if all(n % d for d in range(2, int(n**0.5) + 1)))


@lru_cache(maxsize=4096)
def base_sequence(standard: str, group: int, sequence: int, length: int) -> np.ndarray:
    """Base sequence r_{u,v}.

    Parameters
    ----------
    standard : str
        ``"lte"`` or ``"nr"``.
    group, sequence : int
        u, 0 to 29, and v, 0 or 1; v only counts where the standard has two sequences.
    length : int
        Elements: a multiple of 12 for LTE, of 6 for NR.

    Returns
    -------
    complex64 ``(length,)``
        Of constant amplitude 1; read only.

    Raises
    ------
    SceneError
        If the standard has no sequence of that length.
    """
    step = 12 if standard == "lte" else 6
    if length <= 0 or length % step:
        raise SceneError(f"length={length!r}: {standard} has no such base sequence; choose a positive multiple of {step}")
    n = np.arange(length)
    short = _PHASES[standard].get(length)
    if short is not None:
        digits = np.array([int(digit) for digit in short.split()[group]])
        out = np.exp(0.25j * np.pi * (2 * digits - 3))
    elif length == 30:  # TS 38.211 clause 5.2.2.2
        out = np.exp(-1j * np.pi * (((group + 1) * (n + 1) * (n + 2)) % 62) / 31)
    else:  # TS 36.211 clause 5.5.1.1, TS 38.211 clause 5.2.2.1
        prime = _largest_prime(length)
        root = (2 * prime * (group + 1) + 31) // 62  # floor(q + 1/2) with q = prime (u + 1) / 31
        root += sequence * (-1) ** (2 * prime * (group + 1) // 31)
        out = zadoff_chu(root, prime)[n % prime]
    out = out.astype(np.complex64)
    out.flags.writeable = False
    return out


@lru_cache(maxsize=512)
def _ramp(length: int, turns: float) -> np.ndarray:
    return np.exp(2j * np.pi * turns * np.arange(length)).astype(np.complex64)


def low_papr(standard: str, group: int, sequence: int, length: int, *, turns: float = 0.0) -> np.ndarray:
    """Base sequence with its cyclic shift: TS 36.211 clause 5.5.1, TS 38.211 clause 5.2.2.

    Parameters
    ----------
    turns : float
        alpha over 2 pi: turns of phase from one element to the next.

    Returns
    -------
    complex64 ``(length,)``
    """
    base = base_sequence(standard, int(group), int(sequence), int(length))
    return base * _ramp(int(length), float(turns)) if turns else base.copy()


@lru_cache(maxsize=8)
def precodable(most: int) -> np.ndarray:
    """Widths up to ``most`` that transform precoding allows, 2^a 3^b 5^c: TS 36.211 clause 5.3.3, TS 38.211 clause 6.3.1.4.

    Returns
    -------
    int64 ``(n,)``
        Resource blocks, ascending.

    Examples
    --------
    >>> precodable(12).tolist()
    [1, 2, 3, 4, 5, 6, 8, 9, 10, 12]
    """
    fits = [n for n in range(1, most + 1) if pow(30, 10, n) == 0]
    return np.array(fits, dtype=np.int64)
