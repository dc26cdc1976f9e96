"""What is read of a message, as a type: the JSON parser skips all else without making objects of it."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

import msgspec

from monitor.records.formats.language import EVERY, FLAT

Paths = Iterable[tuple[str, ...]]


class Pruned(msgspec.Struct, gc=False):
    """The members of an object that are read, None where it has none; its subclasses have them as fields."""

    attribute: ClassVar[dict[str, str]] = {}
    """The field of each member."""

    def get(self, name: str) -> Any:
        """A member, as of a dict."""
        return getattr(self, self.attribute[name]) if name in self.attribute else None


class Named(Pruned, gc=False):
    """An attribute with its key and value, or an object with its name."""

    key: Any = None
    value: Any = None
    name: Any = None


class AnyValue(msgspec.Struct, gc=False):
    """A value of an attribute (opentelemetry-proto, common.proto)."""

    stringValue: Any = None  # noqa: N815
    intValue: Any = None  # noqa: N815
    doubleValue: Any = None  # noqa: N815
    boolValue: Any = None  # noqa: N815
    arrayValue: Any = None  # noqa: N815
    kvlistValue: Any = None  # noqa: N815


_SCALAR: Final[Any] = str | int | float | bool | None


def pruned(paths: Paths) -> Any:
    """A type for values of any form that keeps the members on one of `paths`; whole values at their ends.

    Raises nothing: what has another form than the paths expect is kept whole.
    """
    paths = list(dict.fromkeys(paths))
    if any(not path for path in paths):
        return Any
    by_name = [path for path in paths if path[0] != EVERY and not path[0].isdecimal()]
    inner = [path[1:] for path in paths if path[0] == EVERY or path[0].isdecimal()]
    items = Any if by_name and inner else _named_items(by_name) if by_name else pruned(inner)
    # Of a list that was flattened into keys nobody knows how many there are.
    members = dict[str, Any] if any(path[0].endswith(FLAT) for path in paths) else _object(paths)
    return members | list[items] | _SCALAR  # type: ignore[valid-type]


def pruned_messages(paths: Paths) -> Any:
    """As `pruned`, for whole messages: each may also be an array of such."""
    paths = list(dict.fromkeys(paths))
    items = pruned(paths)
    return items if items is Any else _object(paths) | list[items] | _SCALAR  # type: ignore[valid-type]


def _object(paths: Sequence[tuple[str, ...]]) -> Any:
    names = list(dict.fromkeys(path[0] for path in paths if path[0] != EVERY))
    return _struct({name: pruned([p[1:] for p in paths if p[0] == name]) for name in names})


def _named_items(paths: Sequence[tuple[str, ...]]) -> Any:
    """Attributes with a key and a value, or objects with a name, asked for by these."""
    inner = [path[1:] for path in paths if len(path) > 1]
    value: Any = AnyValue | list[Any] | _SCALAR
    further = dict.fromkeys((path[0] for path in inner if path[0] not in Named.__struct_fields__), Any)
    return _struct(further, {"key": Any, "value": value, "name": Any}, Named) | list[Any] | _SCALAR


def _struct(
    members: dict[str, Any], of_base: dict[str, Any] | None = None, base: type[Pruned] = Pruned
) -> Any:
    attribute = {name: name for name in of_base or ()} | {name: f"f{i}" for i, name in enumerate(members)}
    fields = [(attribute[name], kind, None) for name, kind in ((of_base or {}) | members).items()]
    renamed = {attribute[name]: name for name in attribute}
    made: Any = msgspec.defstruct("Message", fields, bases=(base,), rename=renamed, gc=False)
    made.attribute = attribute
    return made
