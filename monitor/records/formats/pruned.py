"""What is read of a message, as a type: the JSON parser skips all else without making objects of it."""

from collections.abc import Iterable
from typing import Any, TypedDict

from monitor.records.formats.language import EVERY

Paths = Iterable[tuple[str, ...]]


def pruned(paths: Paths) -> Any:
    """A type for values of any form that keeps the members on one of `paths`; whole values at their ends.

    Raises nothing: what has another form than the paths expect is kept whole.
    """
    paths = list(dict.fromkeys(paths))
    if any(not path for path in paths):
        return Any
    names = {path[0]: pruned([p[1:] for p in paths if p[0] == path[0]]) for path in paths if path[0] != EVERY}
    inner = [path[1:] for path in paths if path[0] == EVERY or path[0].isdecimal()]
    # An array that is asked for a name is a list of attributes: it is kept whole.
    by_name = any(path[0] != EVERY and not path[0].isdecimal() for path in paths)
    items = Any if by_name or not inner else pruned(inner)
    return _object(names) | list[items] | str | int | float | bool | None  # type: ignore[valid-type]


def _object(members: dict[str, Any]) -> Any:
    return TypedDict("_object", members, total=False)  # type: ignore[operator]


def pruned_messages(paths: Paths) -> Any:
    """As `pruned`, for whole messages: each may also be an array of such."""
    paths = list(dict.fromkeys(paths))
    items = pruned(paths)
    if items is Any:
        return Any
    names = {path[0]: pruned([p[1:] for p in paths if p[0] == path[0]]) for path in paths}
    return _object(names) | list[items] | str | int | float | bool | None  # type: ignore[valid-type]
