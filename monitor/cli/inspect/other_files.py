"""Files that are no log of JSON lines, and the command that makes one of them."""

import re
import shlex
from collections.abc import Sequence
from itertools import islice
from typing import Final

from monitor.errors import UsageError
from monitor.records.lenient import Refused, parse_any

LOOKED_AT: Final = 1_000
_SHOWN: Final = 40
_HEAD: Final = 5
_MARK: Final = b"\xef\xbb\xbf"

_TO_LINES: Final = """python3 -c 'import json, sys; [print(json.dumps(r)) for r in json.load(sys.stdin)]'"""
_OF_PYTHON: Final = (
    """python3 -c 'import ast, json, sys; [print(json.dumps(ast.literal_eval(l))) for l in sys.stdin]'"""
)
_OF_CSV: Final = (
    """python3 -c 'import csv, json, sys; [print(json.dumps(r)) for r in csv.DictReader(sys.stdin{})]'"""
)
_MAGIC: Final = (
    (
        b"PAR1",
        "a Parquet file: write it as JSON lines first, such as by pandas' to_json(orient='records', lines=True)",
    ),
    (b"PK\x03\x04", "a zip archive: unpack it first (unzip -p {name} | tocsin inspect -)"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it first (zstdcat {name} | tocsin inspect -)"),
    (b"BZh", "packed by bzip2: unpack it first (bzcat {name} | tocsin inspect -)"),
    (b"\xfd7zXZ", "packed by xz: unpack it first (xzcat {name} | tocsin inspect -)"),
    (b"SQLite format 3", "an SQLite database: export its table as JSON lines first"),
    (b"\xff\xfe", "in UTF-16: make it UTF-8 first (iconv -f UTF-16 -t UTF-8 {name} | tocsin inspect -)"),
    (b"\xfe\xff", "in UTF-16: make it UTF-8 first (iconv -f UTF-16 -t UTF-8 {name} | tocsin inspect -)"),
)


def refuse_other_than_lines(name: str, lines: Sequence[bytes], too_large: int) -> None:
    """Raises UsageError, one sentence with what to do, unless some line is a JSON object, or an array of several."""
    if not lines:
        raise UsageError(_without_lines(name, too_large))
    for magic, what in _MAGIC:
        if lines[0].startswith(magic):
            raise UsageError(f"{name} is {what.format(name=shlex.quote(name))}")
    parsed = [parse_any(line) for line in islice(lines, LOOKED_AT)]
    if len(lines) == 1 and isinstance(parsed[0], list):
        raise UsageError(_one_array(name))
    begun = isinstance(parsed[0], Refused) and lines[0].removeprefix(_MARK).strip() in (b"[", b"{")
    if begun or not any(isinstance(value, dict) or _is_batch(value) for value in parsed):
        raise UsageError(_why(name, lines, parsed))


def _is_batch(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _without_lines(name: str, too_large: int) -> str:
    if too_large:
        return f"no line of {name} is under 1 MiB: give a log with one JSON object a line, not all in one"
    return f"{name} is empty: give a log with one JSON object a line"


def _one_array(name: str) -> str:
    return f"{name} is one JSON array, not one object a line: {_TO_LINES} < {shlex.quote(name)} > lines.jsonl"


def _why(name: str, lines: Sequence[bytes], parsed: Sequence[object]) -> str:
    first = lines[0].removeprefix(_MARK).strip()
    if _is_binary(lines):
        return f"{name} is binary: give a log of UTF-8 text with one JSON object a line"
    if first.startswith(b"["):
        return _one_array(name)
    if first.startswith(b"{'"):
        return f"{name} looks like Python's own writing, not JSON: {_OF_PYTHON} < {shlex.quote(name)} > lines.jsonl"
    if all(map(_ends_in_json, lines[:_HEAD])) and not all(map(_has_columns, lines[:_HEAD])):
        cut = f"sed 's/^[^{{]*//' {shlex.quote(name)} > lines.jsonl"
        return f"{name} has other text before the JSON of each line: {cut}"
    if first.startswith(b"{") and isinstance(parsed[0], Refused):
        return f"{name} is JSON over several lines, not one object a line: jq -c . {shlex.quote(name)} > lines.jsonl"
    separator = _separator(lines)
    if separator is not None:
        told = "" if separator == "," else f', delimiter="{_spelt(separator)}"'
        return f"{name} looks like CSV: {_OF_CSV.format(told)} < {shlex.quote(name)} > lines.jsonl"
    shown = re.sub(r"\s+", " ", first.decode(errors="replace"))[:_SHOWN]
    return f"no line of {name} is a JSON object, the first is {shown!r}: one JSON object a line is needed"


def _ends_in_json(line: bytes) -> bool:
    before, found, rest = line.partition(b"{")
    return bool(before.strip() and found) and isinstance(parse_any(found + rest), dict)


def _has_columns(line: bytes) -> bool:
    """Whether JSON is but the last column; one comma may be that of a time, as loggers write it."""
    return line.partition(b"{")[0].count(b",") > 1


def _is_binary(lines: Sequence[bytes]) -> bool:
    head = b"\n".join(lines[:LOOKED_AT])
    if b"\0" in head:
        return True
    try:
        head.decode()
    except UnicodeDecodeError:
        return True
    return False


def _separator(lines: Sequence[bytes]) -> str | None:
    """What stands equally often, and at least once, in each of the first lines."""
    head = [line.decode(errors="replace") for line in lines[:_HEAD]]
    for separator in (",", "\t", ";", "|"):
        counts = {line.count(separator) for line in head}
        if min(counts) > 0 and (len(counts) == 1 or head[0].count(separator) <= min(counts)):
            return separator
    return None


def _spelt(separator: str) -> str:
    return r"\t" if separator == "\t" else separator
