"""A delta as one compressed blob, and back.

Layout: the version in one byte, then zstd of a frame: length of the header (uint32), the header (msgpack:
each table's columns with kind, dtype, base and length), and the raw little-endian columns in that order. An
integer column is stored less its least value in the narrowest unsigned dtype that holds it.
"""

import struct
from dataclasses import fields
from typing import Any, Final

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.errors import TocsinError
from monitor.records.delta import Cells, Delta, Languages, Slots, Sums, Versions
from monitor.records.fold import bottom as bottom
from monitor.records.fold import fold as fold
from monitor.records.fold import pack as pack

BLOB_VERSION: Final = 1
MAX_BLOB_BYTES: Final = 1 << 30

_LENGTH: Final = struct.Struct("<I")
_TABLES: Final[dict[str, type[Any]]] = {
    "cells": Cells,
    "sums": Sums,
    "slots": Slots,
    "languages": Languages,
    "versions": Versions,
}
_WIDE: Final[dict[str, type[Any]]] = {"i": np.int64, "u": np.uint64, "f": np.float64}


class BlobError(TocsinError):
    """A stored delta that this program cannot read: too new, or damaged."""


class _Column(msgspec.Struct, array_like=True):
    kind: str
    dtype: str
    base: int
    length: int


_Header = dict[str, dict[str, _Column]]
_header_decoder: Final = msgspec.msgpack.Decoder(_Header)


def encode(delta: Delta) -> bytes:
    """`delta` as a blob; empty tables take no room."""
    header: _Header = {}
    body: list[bytes] = []
    for table in _TABLES:
        rows = getattr(delta, table)
        columns = {f.name: _narrow(getattr(rows, f.name)) for f in fields(rows)}
        if any(len(raw) for _, raw in columns.values()):
            header[table] = {name: column for name, (column, _) in columns.items()}
            body.extend(raw for _, raw in columns.values())
    head = msgspec.msgpack.encode(header)
    frame = b"".join((_LENGTH.pack(len(head)), head, *body))
    return bytes([BLOB_VERSION]) + zstandard.ZstdCompressor(level=3).compress(frame)


def decode(blob: bytes) -> Delta:
    """The delta of a blob. Raises `BlobError` for another version of the format and for damaged data."""
    if not blob or blob[0] != BLOB_VERSION:
        version = blob[0] if blob else "none"
        raise BlobError(
            f"a checkpoint's data has format {version}, and this program reads format {BLOB_VERSION}: "
            "run the version of Tocsin that wrote it"
        )
    try:
        frame = zstandard.ZstdDecompressor().decompress(blob[1:], max_output_size=MAX_BLOB_BYTES)
        return _read(frame)
    except (zstandard.ZstdError, msgspec.MsgspecError, struct.error, ValueError, TypeError, KeyError) as e:
        raise BlobError(f"a checkpoint's data is damaged ({e}): restore the row from a backup") from e


def _read(frame: bytes) -> Delta:
    (size,) = _LENGTH.unpack_from(frame)
    at = _LENGTH.size + size
    header = _header_decoder.decode(frame[_LENGTH.size : at])
    tables: dict[str, Any] = {}
    for table, columns in header.items():
        arrays: dict[str, NDArray[Any]] = {}
        for name, column in columns.items():
            arrays[name], at = _widen(frame, at, column)
        tables[table] = _TABLES[table](**arrays)
    return Delta(**tables)


def _narrow(values: NDArray[Any]) -> tuple[_Column, bytes]:
    if values.dtype.kind in "fu" or values.size == 0:
        dtype = values.dtype.newbyteorder("<")
        return _Column(values.dtype.kind, dtype.str, 0, values.size), values.astype(dtype).tobytes()
    low, high = int(values.min()), int(values.max())
    narrow = high - low < 1 << 32
    dtype = np.dtype(np.min_scalar_type(high - low) if narrow else np.int64).newbyteorder("<")
    base = low if narrow else 0
    return _Column("i", dtype.str, base, values.size), (values - base).astype(dtype).tobytes()


def _widen(frame: bytes, at: int, column: _Column) -> tuple[NDArray[Any], int]:
    raw = np.frombuffer(frame, dtype=column.dtype, count=column.length, offset=at)
    values = raw.astype(_WIDE[column.kind])
    return (values + column.base if column.base else values), at + raw.nbytes
