"""`samples`: which records are kept to be looked at, how much of them, and for how long."""

import re
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

from monitor.config.model import Samples
from monitor.config.places import pointer
from monitor.config.problem import WrongError
from monitor.config.section import Section, each
from monitor.config.tree import Node
from monitor.config.values import NUMBER, duration, flag, scalar, text, whole, written
from monitor.records.settings import SampleSettings

MOST_DROPPED: Final = 100
MOST_FIRST: Final = 1_000
LONGEST: Final = "1y"
FOUND_BY: Final = ("model", "version")
"""What a sample is found by, and its mark is counted for: never dropped."""
_SHARE: Final = re.compile(rf"({NUMBER})\s*(%?)", re.ASCII)


def read_samples(root: Section) -> Samples:
    """What is kept of records; without texts unless the file says so."""
    section = root.inner("samples")
    if section is None:
        return Samples()
    usual = SampleSettings()
    settings = SampleSettings(
        text=section.take("text", flag, usual.text),
        drop=section.take("drop", partial(_drop, section), usual.drop),
        share=section.take("share", _share, usual.share),
        first=section.take("first", whole(0, MOST_FIRST), usual.first),
    )
    if len(settings.drop) > MOST_DROPPED:
        section.wrong(f"there are more than {MOST_DROPPED} of these", "globs say more: /segment/*", at="drop")
    retain_ms = section.take("retain", duration("1d", LONGEST), Samples().retain_ms)
    section.close()
    return Samples(settings, retain_ms)


def _drop(section: Section, node: Node) -> tuple[tuple[str, ...], ...]:
    return each(node, _path, section.report)


def _path(node: Node) -> tuple[str, ...]:
    """A JSON Pointer (RFC 6901) or a top-level key, each key a glob, as keys."""
    value = text(node)
    path = pointer(node, value, "/segment/city") if value.startswith("/") else (value,)
    needed = [field for field in FOUND_BY if len(path) == 1 and fnmatchcase(field, path[0])]
    if needed:
        raise WrongError(
            f"{written(scalar(node))} would drop {needed[0]}, which samples are found by", "name others"
        )
    return path


def _share(node: Node) -> float:
    value = scalar(node)
    found = _SHARE.fullmatch(value.text.strip())
    if found is None:
        raise WrongError(f"{written(value)} is not a share", "such as 1%")
    share = float(found[1]) / (100 if found[2] else 1)
    if share > 1:
        raise WrongError(f"{written(value)} is more than all records", f"write {value.text.strip()}%")
    return share
