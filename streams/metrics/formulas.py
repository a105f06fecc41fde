"""Formulas with their sources. Pure and vectorised: float64 arrays in, float64 arrays out, nan where nothing is defined.

Every interval is at 95 %.
"""

import numpy as np

Array = np.ndarray
Z = 1.959963984540054


def share(part: Array, whole: Array) -> Array:
    """part / whole, between 0 and 1; nan where `whole` is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, np.clip(part / whole, 0.0, 1.0), np.nan)


def wilson(part: Array, whole: Array) -> tuple[Array, Array]:
    """Interval of a proportion. E. B. Wilson, JASA 22 (1927): keeps its promise for few samples and near 0 and 1."""
    n = np.maximum(whole, 1).astype(np.float64)
    p = np.clip(part / n, 0.0, 1.0)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low = np.where(p <= 0, 0.0, np.maximum(middle - half, 0.0))
    high = np.where(p >= 1, 1.0, np.minimum(middle + half, 1.0))
    return low, high


def estimated_share(part: Array, whole: Array, error: float) -> tuple[Array, Array]:
    """Interval of a share where the whole, and what it has beside the part, are estimated with this relative standard error.

    The rest's share is then off by √2 times as much (delta method), and that is squared and added to what Wilson's interval
    allows for (Zou and Donner, Statistics in Medicine 27 (2008): limits of a sum of two independent estimates).
    """
    p = np.clip(part / np.maximum(whole, 1), 0.0, 1.0)
    low, high = wilson(part, whole)
    half = Z * np.sqrt(2) * error * (1 - p)
    return np.maximum(p - np.hypot(p - low, half), 0.0), np.minimum(p + np.hypot(high - p, half), 1.0)


def poisson(count: Array) -> tuple[Array, Array]:
    """Interval of a count. Byar's approximation (Breslow and Day 1987, II, p. 69): within 1 % of the exact one from 1 up."""
    k = np.maximum(count, 0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(k > 0, k * (1 - 1 / (9 * k) - Z / (3 * np.sqrt(k))) ** 3, 0.0)
    more = k + 1
    return np.maximum(low, 0.0), more * (1 - 1 / (9 * more) + Z / (3 * np.sqrt(more))) ** 3


def mean_interval(mean: Array, variance: Array, n: Array) -> tuple[Array, Array]:
    """Interval of a mean from its sample variance; nan below two samples."""
    with np.errstate(invalid="ignore", divide="ignore"):
        half = Z * np.sqrt(variance / n)
    return mean - half, mean + half


def apdex(satisfied: Array, tolerating: Array, frustrated: Array) -> tuple[Array, Array, Array]:
    """(score, low, high); (satisfied + tolerating / 2) / all. Apdex Technical Specification 1.1 (2007).

    Each sample scores 1, ½ or 0, so the sample variance follows from the three counts.
    """
    n = (satisfied + tolerating + frustrated).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(n > 0, (satisfied + tolerating / 2) / n, np.nan)
        squares = satisfied + tolerating / 4
        variance = np.where(n > 1, np.maximum(squares - n * score**2, 0) / (n - 1), np.nan)
    low, high = mean_interval(score, variance, n)
    return score, np.maximum(low, 0.0), np.minimum(high, 1.0)


def quantile_ranks(q: float | Array, n: Array) -> tuple[Array, Array, Array]:
    """0-based ranks of the q-quantile and of its interval's ends.

    The quantile is rank ⌊q·(n−1)⌋; the ends follow from the binomial spread of the rank (Conover, Practical
    Nonparametric Statistics, 3.2).
    """
    rank = np.floor(q * np.maximum(n - 1, 0))
    spread = Z * np.sqrt(n * q * (1 - q))
    last = np.maximum(n - 1, 0)
    return rank, np.clip(np.floor(q * n - spread), 0, last), np.clip(np.ceil(q * n + spread), 0, last)
