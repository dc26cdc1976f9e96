"""What the detectors refuse.

ValueError
└── DetectorError   a NaN, an infinity, k > n, a probability outside its range, arrays that do not fit
"""


class DetectorError(ValueError):
    """An argument for which the formula is not defined; the message names it and its first bad value."""
