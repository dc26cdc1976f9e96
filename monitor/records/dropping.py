"""What of a record is never kept: `samples.drop`."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

Path = tuple[str, ...]
"""Keys from the record on, positions in an array; each may be a glob."""


def covers(drop: tuple[Path, ...], path: Path) -> bool:
    """Whether what stands at `path` goes, by itself or with what it stands in.

    >>> covers((("segment", "c*"),), ("segment", "city")), covers((("segment", "c*"),), ("segment",))
    (True, False)
    """
    return any(len(one) <= len(path) and all(map(fnmatchcase, path, one)) for one in drop)


def without(fields: Mapping[str, Any], drop: tuple[Path, ...]) -> dict[str, Any]:
    """The fields of a record less what `drop` names.

    >>> without({"user": "ada", "segment": {"plan": "free", "city": "Bern"}}, (("u*",), ("segment", "city")))
    {'segment': {'plan': 'free'}}
    """
    kept = {}
    for key, value in fields.items():
        inside = [path[1:] for path in drop if fnmatchcase(key, path[0])]
        if () not in inside:
            kept[key] = _inside(value, tuple(inside))
    return kept


def _inside(value: Any, drop: tuple[Path, ...]) -> Any:
    if not drop:
        return value
    if isinstance(value, dict):
        return without(value, drop)
    if isinstance(value, list):
        return list(without({str(i): item for i, item in enumerate(value)}, drop).values())
    return value
