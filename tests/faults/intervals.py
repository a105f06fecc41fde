"""95 % intervals, one value at a time, each as its source has it."""

from math import sqrt

from tests.faults.equal import Bound

Z = 1.959963984540054
Interval = tuple[float, float]


def wilson(part: float, whole: float) -> Interval:
    """Of a share: all p with |part/whole − p| ≤ z·√(p·(1−p)/whole). E. B. Wilson, JASA 22 (1927)."""
    a, b, c = whole + Z**2, 2 * part + Z**2, part**2 / whole
    root = sqrt(max(b**2 - 4 * a * c, 0))
    return Bound((b - root) / (2 * a)), Bound((b + root) / (2 * a))


def poisson(count: float, over: float = 1) -> Interval:
    """Of a count, for each of `over`. Byar's approximation: Breslow and Day, Statistical Methods in Cancer Research II (1987),
    p. 69."""
    low = count * (1 - 1 / (9 * count) - Z / (3 * sqrt(count))) ** 3 if count else 0
    high = (count + 1) * (1 - 1 / (9 * (count + 1)) + Z / (3 * sqrt(count + 1))) ** 3
    return Bound(max(low, 0) / over), Bound(high / over)


def mean(value: float, variance: float, n: int) -> Interval:
    """Of a mean, by its sample variance; of what is never negative."""
    half = Z * sqrt(variance / n)
    return Bound(max(value - half, 0)), Bound(value + half)


def people(estimate: float, registers: int) -> Interval:
    """HyperLogLog's standard error is 1.04/√m (Flajolet, Fusy, Gandouet, Meunier 2007)."""
    error = 1.96 * 1.04 / sqrt(registers)
    return Bound(estimate * (1 - error)), Bound(estimate * (1 + error))


def people_without(rest: float, whole: float, registers: int) -> Interval:
    """Of the share of people that are not among `rest`, by two estimates: each is off by HyperLogLog's error, so their quotient
    by √2 of it, and that adds to Wilson's interval as independent errors do, by squares. Zou and Donner, Statistics in Medicine
    27 (2008), p. 1693."""
    share = max(whole - rest, 0) / whole
    off = Z * sqrt(2 / registers) * 1.04 * (1 - share)
    low, high = wilson(share * whole, whole)
    return Bound(max(share - sqrt((share - low) ** 2 + off**2), 0)), Bound(min(share + sqrt((high - share) ** 2 + off**2), 1))
