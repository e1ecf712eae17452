"""DES, which VNC Authentication wants for two blocks a log-in, and nothing else here.

Our own, since the library that has it takes 7 MiB of a daemon's memory, a ninth of it. DES hides
nothing today, whoever's it is. Source: FIPS 46-3, whose tables count bits from 1 on the left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from operator import itemgetter

BLOCK_BYTES = KEY_BYTES = 8


def _permutation(*positions: int) -> Callable[[str], Iterable[str]]:
    """Gives the bits at these positions of a number's digits, in this order."""
    return itemgetter(*(position - 1 for position in positions))


# fmt: off
_initial = _permutation(
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4,
    62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32, 24, 16, 8,
    57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3,
    61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
)
_final = _permutation(
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31,
    38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13, 53, 21, 61, 29,
    36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27,
    34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
)
_of_key = _permutation(
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3,
    60, 52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37,
    29, 21, 13, 5, 28, 20, 12, 4,
)
_of_round = _permutation(
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)
_after_boxes = _permutation(
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)
# fmt: on
_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
_BOXES = (
    "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
)
"""Each a digit for each of six bits: the outer two are the row, the inner four the column."""


def encrypted(key: bytes, content: bytes) -> bytes:
    """Blocks of eight bytes, each by itself, under a key of eight, whose lowest bits don't count.

    Raises:
        ValueError: Key or content has another length.
    """
    if len(key) != KEY_BYTES or len(content) % BLOCK_BYTES:
        raise ValueError(f"a key of {len(key)} bytes, blocks of {len(content)}")
    round_keys = _round_keys(key)
    return b"".join(
        _block(round_keys, content[at : at + BLOCK_BYTES])
        for at in range(0, len(content), BLOCK_BYTES)
    )


def _block(round_keys: Iterable[int], block: bytes) -> bytes:
    tables = _tables()
    halves = _permuted(f"{int.from_bytes(block, 'big'):064b}", _initial)
    left, right = halves >> 32, halves & 0xFFFFFFFF
    for round_key in round_keys:
        # Each box takes four bits, and the neighbour of them on each side.
        wide = ((right & 1) << 33) | (right << 1) | (right >> 31)
        mixed = left
        for box, table in enumerate(tables):
            mixed ^= table[((wide >> (28 - 4 * box)) ^ (round_key >> (42 - 6 * box))) & 63]
        left, right = right, mixed
    return _permuted(f"{(right << 32) | left:064b}", _final).to_bytes(BLOCK_BYTES, "big")


def _round_keys(key: bytes) -> list[int]:
    both = "".join(_of_key(f"{int.from_bytes(key, 'big'):064b}"))
    high, low = both[:28], both[28:]
    keys = []
    for shift in _SHIFTS:
        high, low = high[shift:] + high[:shift], low[shift:] + low[:shift]
        keys.append(_permuted(high + low, _of_round))
    return keys


@cache
def _tables() -> list[list[int]]:
    """What each box makes of six bits, already where it belongs in the half block."""
    tables = []
    for box, digits in enumerate(_BOXES):
        places = ((six & 32) | ((six & 1) << 4) | ((six >> 1) & 15) for six in range(64))
        made = (int(digits[place], 16) << (28 - 4 * box) for place in places)
        tables.append([_permuted(f"{four:032b}", _after_boxes) for four in made])
    return tables


def _permuted(bits: str, permutation: Callable[[str], Iterable[str]]) -> int:
    return int("".join(permutation(bits)), 2)
