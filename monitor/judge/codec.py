"""The judge's state as a stored part: msgpack with arrays as bytes, compressed, and the grid it was made for."""

from typing import Any

import msgspec
import numpy as np
import zstandard

from detectors.bets import COMPONENTS
from monitor.errors import SchemaMismatch
from monitor.judge.state import JudgeState
from monitor.judge.watermark import Progress
from monitor.ledger.models import STATE_VERSION


class Stored(msgspec.Struct, frozen=True):
    """One stored part: what the core and the watermark remember, with the grid their arrays were made for."""

    components: int
    core: JudgeState
    progress: Progress
    recent: tuple[tuple[int, int, int], ...] = ()


def encode(core: JudgeState, progress: Progress, recent: tuple[tuple[int, int, int], ...]) -> bytes:
    """The state as one compressed blob."""
    raw = _encoder.encode(Stored(COMPONENTS, core, progress, recent))
    return zstandard.ZstdCompressor(level=1).compress(raw)


def decode(version: int, blob: bytes) -> Stored:
    """The state from a blob; raises SchemaMismatch where this program does not know its version or grid."""
    if version != STATE_VERSION:
        raise SchemaMismatch(
            f"the judge's state has version {version}, this program knows {STATE_VERSION}: run the newer tocsin"
        )
    stored = _decoder.decode(zstandard.ZstdDecompressor().decompress(blob))
    if stored.components != COMPONENTS:
        raise SchemaMismatch(
            f"the judge's state has {stored.components} alternatives, this program {COMPONENTS}"
        )
    return stored


def _array_out(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(f"{type(value).__name__} is no part of the judge's state")
    if value.dtype.kind == "U":
        return ("U", value.shape, value.tolist())
    return (value.dtype.str, value.shape, value.tobytes())


def _array_in(_: type, value: Any) -> Any:
    kind, shape, data = value
    if kind == "U":
        return np.array(data, np.str_).reshape(shape)
    return np.frombuffer(data, np.dtype(kind)).reshape(shape).copy()


_encoder = msgspec.msgpack.Encoder(enc_hook=_array_out)
_decoder = msgspec.msgpack.Decoder(Stored, dec_hook=_array_in)
