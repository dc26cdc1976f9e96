"""The judge's stored state across versions of this program: older parts are brought up, newer ones refused."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import zstandard

from monitor.errors import SchemaMismatch
from monitor.ledger.schema import STATE_VERSION

Step = Callable[[dict[str, Any]], dict[str, Any]]

# By the version that stored a part, and by part: what makes the decoded part one of the next version. A part that a
# version left as it was has no step; a version whose parts all stayed has an empty row.
STEPS: Final[Mapping[int, Mapping[str, Step]]] = {}


def brought_up(
    part: str,
    version: int,
    blob: bytes,
    *,
    to: int = STATE_VERSION,
    steps: Mapping[int, Mapping[str, Step]] = STEPS,
) -> bytes:
    """A part as version `to` stores it. Raises SchemaMismatch for one that is newer, or older than all steps."""
    if version > to:
        raise SchemaMismatch(
            f"the judge's state in the ledger has version {version}, newer than the {to} of this Tocsin: run the newer "
            "Tocsin; the state was left as it is"
        )
    passed = range(version, to)
    if missing := [old for old in passed if old not in steps]:
        raise SchemaMismatch(
            f"the judge's state in the ledger has version {version}, and this Tocsin takes over from version "
            f"{missing[-1] + 1} on: run a Tocsin in between first; the state was left as it is"
        )
    due = [steps[old][part] for old in passed if part in steps[old]]
    if not due:
        return blob
    raw = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(blob))
    for step in due:
        raw = step(raw)
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(raw))
