"""The messages that a study looks at: the first ones of a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from monitor.cli.inspect.other_files import refuse_other_than_lines
from monitor.cli.lines import opened
from monitor.records.decode import Headers

LONGEST: Final = 1 << 20
"""As `source.max_record_bytes` is unless told."""

MOST_BYTES: Final = 128 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages of `name` in their order, all sequences of one length or empty; `whole` if there are no more of them.

    `too_large` counts those that were left out for their size. `timestamps_ms` are of Kafka at `servers`.
    """

    name: str
    values: list[bytes]
    whole: bool = True
    too_large: int = 0
    timestamps_ms: Sequence[int] = ()
    keys: Sequence[bytes | None] = ()
    headers: Sequence[Headers] = ()
    servers: str = ""

    @property
    def of_topic(self) -> bool:
        """Whether Kafka carried them."""
        return bool(self.timestamps_ms)


def from_file(path: str, most: int) -> Taken:
    """The first lines of a log, plain or gzip, `-` is stdin; raises UsageError where it has no lines of JSON."""
    name = "stdin" if path == "-" else path
    values: list[bytes] = []
    too_large = weight = 0
    whole = True
    with opened(path) as raw:
        for line in bounded(raw):
            if len(values) == most or weight > MOST_BYTES:
                whole = False
                break
            if line is None:
                too_large += 1
            elif filled := line.strip():
                values.append(filled)
                weight += len(filled)
    refuse_other_than_lines(name, values, too_large)
    return Taken(name, values, whole, too_large)


def bounded(raw: IO[bytes]) -> Iterator[bytes | None]:
    """Lines, None for one longer than `LONGEST`, which is read past in pieces."""
    while line := raw.readline(LONGEST + 1):
        if len(line) <= LONGEST or line.endswith(b"\n"):
            yield line
            continue
        while (rest := raw.readline(LONGEST)) and not rest.endswith(b"\n"):
            continue
        yield None
