"""What a limit means, in plain words: `2x` on 1% is 2%, on 20% it is 33%."""

from collections.abc import Callable, Sequence
from typing import Final

from detectors import tolerance
from detectors.tolerance import Tolerance
from monitor.judge.plan import Tier, Watch
from monitor.ledger.wording import amount, digits, percent
from monitor.records.signals import Side

RATES: Final = (0.001, 0.01, 0.20)
SHARES: Final = (0.001, 0.10, 0.40)
_USUAL: Final = {
    "tokens": 200.0,
    "characters": 800.0,
    "ms": 2_000.0,
    "bytes": 2e9,
    "USD": 0.02,
    "requests": 8.0,
    "units": 100.0,
}


def meaning(watch: Watch, tier: Tier) -> str:
    """One sentence on a tier's limit, with figures; `side` and unit as the rule has them."""
    if tier.tolerance is None:
        return _absolute(watch, tier, tier.absolute or 0.0)
    words: dict[str, Callable[[Watch, Tier, Tolerance], str]] = {
        "rate": _rate,
        "category": _category,
        "tube": _tube,
        "quantile": _quantile,
    }
    return words[watch.kind](watch, tier, tier.tolerance)


def _absolute(watch: Watch, tier: Tier, value: float) -> str:
    if watch.kind == "rate":
        bound = "at most" if tier.side is Side.UP else "at least"
        return f"{bound} {percent(value)}, whatever is normal"
    quantile = watch.rule.quantile or 0.5
    beyond, share = ("above", 1 - quantile) if tier.side is Side.UP else ("below", quantile)
    return f"at most {percent(share)} {beyond} {amount(value, watch.signal.unit)}, whatever is normal"


def _rate(watch: Watch, tier: Tier, allowed: Tolerance) -> str:
    if tier.side is Side.DOWN:
        return _cases(tier, [(1 - p, 1 - float(tolerance.limit(p, allowed))) for p in RATES])
    if allowed.form != "points":
        return _cases(tier, [(p, float(tolerance.limit(p, allowed))) for p in RATES]) + _least(allowed)
    often = [(percent(p), digits((p + allowed.amount) / p)) for p in RATES]
    first, rest = often[0], "".join(f", on {p} {times} times" for p, times in often[1:])
    return f"+{digits(100 * allowed.amount)}pp on {first[0]} is {first[1]} times as often{rest}"


def _category(watch: Watch, tier: Tier, allowed: Tolerance) -> str:
    """Each category may grow so far; the commonest may also shrink until all others have grown so far."""
    who = "; each category by itself"
    if tier.side is Side.DOWN:
        who = "; all but the commonest together"
    return _cases(tier, [(p, float(tolerance.limit(p, allowed))) for p in SHARES]) + _least(allowed) + who


def _cases(tier: Tier, cases: Sequence[tuple[float, float]]) -> str:
    return f"{tier.text} " + ", ".join(f"on {percent(usual)} is {percent(most)}" for usual, most in cases)


def _least(allowed: Tolerance) -> str:
    return f" (at least +{digits(100 * allowed.floor)}pp)" if allowed.floor else ""


def _tube(watch: Watch, tier: Tier, allowed: Tolerance) -> str:
    if allowed.form == "points":
        more = percent(0.1 + allowed.amount)
        where = "below what only the lowest 10% was" if tier.side is Side.DOWN else "above the highest 10%"
        return f"{more} may be {where}"
    usual, unit = _USUAL.get(watch.signal.unit, 100.0), watch.signal.unit
    moved = usual * allowed.amount if tier.side is Side.UP else usual / allowed.amount
    return f"p50 of {amount(usual, unit)} may be {amount(moved, unit)}, and so at every edge from p1 to p99"


def _quantile(watch: Watch, tier: Tier, allowed: Tolerance) -> str:
    quantile = watch.rule.quantile or 0.5
    name, up = f"p{100 * quantile:g}", tier.side is Side.UP
    base = 1 - quantile if up else quantile
    if allowed.form == "stretch":
        usual, unit = _USUAL.get(watch.signal.unit, 100.0), watch.signal.unit
        moved = usual * allowed.amount if up else usual / allowed.amount
        return f"{name} of {amount(usual, unit)} may be {amount(moved, unit)}"
    most = percent(float(tolerance.limit(base, allowed)))
    return f"{most} instead of {percent(base)} may be {'above' if up else 'below'} the usual {name}"
