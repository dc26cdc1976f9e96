"""Which range of offsets to try next after the ledger has refused one (rule 8). Pure."""

from dataclasses import dataclass, field

REFUSED = "refused"


@dataclass(slots=True)
class Bisection:
    """Ranges [start, until) still to be stored each on its own, the next one last; none in normal times."""

    _ranges: list[tuple[int, int]] = field(default_factory=list)
    _given_up: bool = False

    @property
    def until(self) -> int | None:
        """Where the next checkpoint has to end, None if anywhere."""
        return self._ranges[-1][1] if self._ranges else None

    @property
    def given_up(self) -> bool:
        """Whether the next range is one single record, which was refused by itself."""
        return self._given_up

    def refused(self, start: int, until: int) -> None:
        """The ledger refused [start, until): go on with its first half, or give up its one record."""
        if self._ranges:
            self._ranges.pop()
        self._given_up = until - start == 1
        if self._given_up:
            self._ranges.append((start, until))
            return
        middle = (start + until) // 2
        self._ranges += [(middle, until), (start, middle)]

    def stored(self, until: int) -> None:
        """Everything below `until` is in the ledger."""
        self._given_up = False
        while self._ranges and self._ranges[-1][1] <= until:
            self._ranges.pop()
