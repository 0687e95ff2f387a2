"""Noise with random access in time: the motion of the simulated market. Pure numpy.

A series is a sum of octaves. Each octave has a random value at every multiple of its period and interpolates smoothly;
the values are a hash of (key, octave, index), so that there is no state. With amplitudes that grow with the square root
of the period, the sum moves like a random walk between the shortest and the longest period, and is bounded beyond it:
prices stay plausible for years.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

#: Octave periods in seconds: 4 s, 16 s, ... 2 years.
PERIODS: Floats = np.array([4.0 * 4.0**power for power in range(13)])
DAY = 86_400.0
# With it, `walk(0.03)` has a daily standard deviation of 3 %.
_CALIBRATION = 0.62
_GOLDEN = 0x9E3779B97F4A7C15


def key(*parts: object) -> int:
    """A 64-bit key for the parts, the same on every machine and in every process."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def fraction(*parts: object) -> float:
    """A fixed number in [0, 1) for the parts."""
    return key(*parts) / 2**64


def scatter(numbers: Ints, salt: int) -> Floats:
    """A fixed value in [0, 1) for each number, without any pattern from one number to the next."""
    bits = _mix(_mix(numbers.astype(np.uint64) + np.uint64(_GOLDEN)) ^ np.uint64(salt))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def walk(daily: float) -> Floats:
    """Octave amplitudes of a random walk with that daily standard deviation, larger within a minute.

    The slowest two octaves are damped; otherwise coins would move a hundredfold within two years.
    """
    amplitudes = _CALIBRATION * daily * np.sqrt(PERIODS / DAY)
    amplitudes[:3] *= 1.8
    amplitudes[-2:] *= (0.7, 0.45)
    return amplitudes


def tether(spread: float) -> Floats:
    """Octave amplitudes of a value that stays within `spread` of its peg and returns to it within a day."""
    return np.where((PERIODS > 10) & (PERIODS < DAY), spread / 3, 0.0)


def swell(daily: float) -> Floats:
    """Octave amplitudes of an activity that doubles and halves over days and does not drift away.

    It is a sum over the last 24 hours, so that it can hardly change within one.
    """
    amplitudes = daily * np.minimum(np.sqrt(PERIODS / DAY), 0.8)
    amplitudes[PERIODS < DAY / 4] *= 0.25
    amplitudes[PERIODS > 100 * DAY] *= 0.3
    return amplitudes


class Noise:
    """Many series of noise at once, one for each key."""

    def __init__(self, keys: list[int], amplitudes: Floats) -> None:
        """`amplitudes` has the shape (series, octaves); octaves in which no series moves cost nothing."""
        self._amplitudes = amplitudes
        base = np.array(keys, dtype=np.uint64)
        octaves = np.array([key("octave", number) for number in range(len(PERIODS))], dtype=np.uint64)
        self._keys = _mix(base[:, None] ^ octaves[None, :])
        # Without a phase of its own every series would turn at the same instants.
        self._phases = (_mix(self._keys) >> np.uint64(40)).astype(np.float64) / 2**24

    def at(self, times_ms: Ints, rows: Ints) -> Floats:
        """The noise of the series `rows` at `times_ms`, shape (rows, times)."""
        seconds = times_ms.astype(np.float64)[None, :] / 1000
        total = np.zeros((len(rows), len(times_ms)))
        for octave, period in enumerate(PERIODS):
            amplitude = self._amplitudes[rows, octave]
            moving = np.flatnonzero(amplitude)
            if not len(moving):
                continue
            picked = rows[moving]
            position = seconds / period + self._phases[picked, octave][:, None]
            total[moving] += amplitude[moving][:, None] * _octave(position, self._keys[picked, octave])
        return total


def _octave(position: Floats, keys: Keys) -> Floats:
    whole = np.floor(position)
    part = position - whole
    index = whole.astype(np.int64)
    lowest = index.min(axis=1, keepdims=True)
    width = int((index - lowest).max()) + 2
    if width < position.shape[1]:  # slow octave: many times between few lattice points
        lattice = _lattice(lowest + np.arange(width), keys)
        left = np.take_along_axis(lattice, index - lowest, axis=1)
        right = np.take_along_axis(lattice, index - lowest + 1, axis=1)
    else:
        left, right = _lattice(index, keys), _lattice(index + 1, keys)
    return left + (right - left) * (part * part * (3 - 2 * part))


def _lattice(index: Ints, keys: Keys) -> Floats:
    """Values of variance one with heavier tails than a uniform draw: markets have rare large moves."""
    bits = _mix(index.astype(np.uint64) * np.uint64(_GOLDEN) + keys[:, None])
    unit = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    return unit * (2.0 * unit * unit + 0.3) / 0.917


def _mix(bits: Keys) -> Keys:
    """The finaliser of splitmix64: each input bit changes half of the output bits. Wraps around, as it should."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
