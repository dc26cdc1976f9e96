"""Places for names without a ledger, in the order in which they come; and what was named so."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from monitor.ledger.places import Name, Shelf, entrants
from monitor.ledger.shelves import CATEGORIES, SLICES
from monitor.records.names import OTHER, UNKNOWN
from monitor.records.signals import FIRST_CATEGORY, OTHER_CATEGORY


class LocalIds:
    """Ids as the ledger gives them, of a process of its own: first come first served, and nothing is forgotten."""

    def __init__(self) -> None:
        self._ids: dict[Shelf, dict[Name, int]] = {}
        self._names: dict[Shelf, dict[int, Name]] = {}
        self._taken: dict[Shelf, Counter[Name]] = {}

    def __call__(self, shelf: Shelf, names: Sequence[Name], cap: int) -> list[int | None]:
        """The id of each name, None where there is no place."""
        ids, taken = self._ids.setdefault(shelf, {}), self._taken.setdefault(shelf, Counter())
        new = (name for name in dict.fromkeys(names) if name not in ids)
        for name in entrants(shelf, new, taken, cap):
            ids[name] = len(ids) + (FIRST_CATEGORY if shelf is CATEGORIES else 1)
            self._names.setdefault(shelf, {})[ids[name]] = name
            # `(other)` takes no place, and a stream that a rule names takes one whatever the cap.
            taken[shelf.group(name)] += shelf is not SLICES or not shelf.uncapped(name)
        return [ids.get(name) for name in names]

    def name(self, shelf: Shelf, number: int) -> Name | None:
        """What has an id."""
        return self._names.get(shelf, {}).get(number)


class LocalNames:
    """Names of streams, slices and categories by the ids that `ids` gave; `streams` is the shelf of streams."""

    def __init__(self, ids: LocalIds, streams: Shelf) -> None:
        self._ids, self._streams = ids, streams

    def stream_key(self, stream: int) -> str:
        """The key of a stream."""
        name = self._ids.name(self._streams, stream)
        return OTHER if name is None else str(name[0])

    def labels(self, stream: int) -> Mapping[str, str]:
        """The labels of a stream; `(other)` has none."""
        name = self._ids.name(self._streams, stream)
        return {} if name is None else dict(json.loads(name[1]))

    def category(self, stream: int, signal: int, category: int) -> str:
        """The name of a category."""
        name = self._ids.name(CATEGORIES, category)
        return str(name[2]) if name else OTHER if category == OTHER_CATEGORY else UNKNOWN

    def slice(self, slice_id: int) -> tuple[str, str]:
        """The field and value of a slice. Raises LookupError."""
        name = self._ids.name(SLICES, slice_id)
        if name is None:
            raise LookupError(slice_id)
        return name[1], name[2]
