"""Numbers as a person reads them. Layer 4."""

import math
from typing import Any

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MISSING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def number(value: Any, digits: int = 4) -> str:
    """A number with few significant digits, grouped thousands, and a power of ten when far from 1.

    Args:
        value: a number, or None where there is none; anything else is written as it is.
        digits: significant digits of a number that is not whole.

    Example:
        >>> number(0.250412), number(12345), number(1.5e-7), number(None)
        ('0.2504', '12,345', '1.5·10⁻⁷', '\N{EN DASH}')
    """
    if value is None:
        return _MISSING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "not finite"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        text = _plain(value, digits)
    else:
        text = _power_of_ten(value, digits)
    return text.replace("-", _MINUS)


def fixed(value: float | None, digits: int = 4) -> str:
    """A number that keeps its last zeros, for columns of numbers that are compared.

    Example:
        >>> fixed(0.51, digits=3), fixed(12.0, digits=3), fixed(1.5e-7)
        ('0.510', '12.0', '1.5·10⁻⁷')
    """
    if value is None or not 1e-3 <= abs(value) < 10 ** (digits - 1):
        return number(value, digits)
    return f"{value:#.{digits}g}".rstrip(".").replace("-", _MINUS)


def seconds(value: float | None) -> str:
    """A duration, in minutes and hours where it is long.

    Example:
        >>> seconds(12.345), seconds(75), seconds(7384)
        ('12.3 s', '1 min 15 s', '2 h 3 min')
    """
    if value is None:
        return _MISSING
    whole = round(value)
    if value < 60:
        return f"{value:.2g} s" if value < 1 else f"{value:.3g} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _plain(value: float, digits: int) -> str:
    """Digits without an exponent, thousands grouped."""
    if abs(value) >= 10 ** (digits - 1) or value == int(value):
        return f"{round(value):,}"
    return f"{value:.{digits}g}"


def _power_of_ten(value: float, digits: int) -> str:
    """A factor and a power of ten, without the factor where it is one."""
    factor, exponent = f"{value:.{digits - 1}e}".split("e")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    short = f"{float(factor):g}"
    return power if short == "1" else f"{short}·{power}"
