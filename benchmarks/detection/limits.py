"""What no detector can beat: D_bet, D*, and the CUSUM that knows the change beforehand."""

from typing import Final

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.stats import binom

from detectors.ratio import divergence

STATES: Final = 500
MOST_BELOW: Final = 8.0
HALVINGS: Final = 14


def d_bet(m: float, p: float, n: int, a: float) -> float:
    """ln A / max over lambda of E ln(1 + lambda (k/n - m)) blocks: the limit when only a block's mean is assumed."""
    k = np.arange(n + 1)
    weight = binom.pmf(k, n, p)

    def loss(stake: float) -> float:
        return -float((weight * np.log1p(stake / m * (k / n - m))).sum())

    best = minimize_scalar(loss, bounds=(0.0, 1 - 1e-9), method="bounded", options={"xatol": 1e-9})
    return float(np.log(a) / -best.fun)


def d_star(i0: float, i1: float, run_length: float) -> float:
    """(h - 1 + e^-h) / I1 with (e^h - h - 1) / I0 = run length; at least one block.

    `i0` = KL(null || alternative), `i1` = KL(alternative || null), nats a block. Lorden's limit for a known change.
    """
    h = brentq(lambda x: np.expm1(x) - x - run_length * i0, 1e-9, 60.0)
    return max(float((h - 1 + np.exp(-h)) / i1), 1.0)


def d_star_rate(m: float, p: float, n: int, run_length: float) -> float:
    """D* of a rate that rises from `m` to `p`, n independent requests a block."""
    return d_star(n * float(divergence(m, p)), n * float(divergence(p, m)), run_length)


def d_star_tube(reference: np.ndarray, tolerance: float, changed: np.ndarray, n: int, gamma: float) -> float:
    """D* against the nearest distribution inside a tube of points around `reference`; both are shares of cells."""
    edges, inner = np.cumsum(reference)[:-1], changed.size
    within = np.tril(np.ones((inner, inner)))[:-1]
    bounds = {"type": "ineq", "fun": lambda q: tolerance - np.abs(within @ q - edges)}
    whole = {"type": "eq", "fun": lambda q: q.sum() - 1}
    seen = changed > 0
    found = minimize(
        lambda q: float((changed[seen] * np.log(changed[seen] / np.maximum(q[seen], 1e-12))).sum()),
        reference,
        constraints=[bounds, whole],
        bounds=[(1e-9, 1)] * inner,
        options={"maxiter": 500},
    )
    nearest = np.maximum(found.x, 1e-9)
    back = float((nearest * np.log(nearest / np.maximum(changed, 1e-9))).sum())
    return d_star(n * back, n * float(found.fun), gamma)


def cusum_delay(m: float, p: float, n: int, run_length: float) -> float:
    """Mean blocks to the alarm of Page's CUSUM for m -> p whose average run length at m is `run_length`.

    Both from C = 0, by the Markov chain of Brook and Evans (Biometrika 1972) on 500 states; limits between which the
    lattice jumps are joined by the logarithm of their run length.
    """
    # The run length is at least e^h.
    high = float(np.log(run_length))
    low = max(high - MOST_BELOW, 0.1)
    for _ in range(HALVINGS):
        h = (low + high) / 2
        low, high = (h, high) if _run(h, m, p, n, m) < run_length else (low, h)
    run_low, run_high = (np.log(_run(h, m, p, n, m)) for h in (low, high))
    far = 0.0 if run_high == run_low else (np.log(run_length) - run_low) / (run_high - run_low)
    return (1 - far) * _run(low, m, p, n, p) + far * _run(high, m, p, n, p)


def _run(h: float, m: float, p: float, n: int, true: float) -> float:
    """Expected blocks until C >= h from C = 0 at the rate `true`."""
    k = np.arange(n + 1)
    weight = binom.pmf(k, n, true)
    kept = weight > 1e-15
    gain = (k * np.log(p / m) + (n - k) * (np.log1p(-p) - np.log1p(-m)))[kept]
    width = h / STATES
    start = np.append(0.0, (np.arange(STATES) + 0.5) * width)
    after = np.maximum(start[:, None] + gain, 0.0)
    to = np.where(after <= 0, 0, np.minimum(after / width, STATES).astype(np.int64) + 1)
    flat = to + (STATES + 2) * np.arange(STATES + 1)[:, None]
    each = np.broadcast_to(weight[kept], to.shape).ravel()
    moves = np.bincount(flat.ravel(), each, (STATES + 1) * (STATES + 2))
    stay = moves.reshape(STATES + 1, STATES + 2)[:, : STATES + 1]
    return float(np.linalg.solve(np.eye(STATES + 1) - stay, np.ones(STATES + 1))[0])
