"""Deltas as blobs, folding and remapping, by themselves."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.records.codec import BlobError, decode, encode, fold, pack
from monitor.records.delta import Cells, Delta, Intake, Languages, Slots, Sums, Versions
from monitor.records.fold import add_up
from monitor.records.remap import DROPPED, remap, used

TABLES = (Cells, Sums, Slots, Languages, Versions)
small = st.integers(-3, 3)
anything = st.integers(-(2**62), 2**62 - 1)


def tables(kind: Any, elements: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    def made(n: int) -> st.SearchStrategy[Any]:
        columns = {f.name: arrays(np.int64, n, elements=elements) for f in fields(kind)}
        if "hash" in columns:
            columns["hash"] = arrays(np.uint64, n, elements=st.integers(0, 2**64 - 1))
        if "total" in columns:
            columns["total"] = arrays(np.float64, n, elements=st.integers(0, 100))
        return st.builds(kind, **columns)

    return st.integers(0, 12).flatmap(made)


def deltas(elements: st.SearchStrategy[int]) -> st.SearchStrategy[Delta]:
    return st.builds(Delta, *(tables(kind, elements) for kind in TABLES))


def rows(delta: Delta) -> list[list[tuple[Any, ...]]]:
    parts = [getattr(delta, f.name) for f in fields(delta)]
    return [list(zip(*(getattr(p, f.name).tolist() for f in fields(p)), strict=True)) for p in parts]


@settings(deadline=None)
@given(deltas(anything) | deltas(small))
def test_a_blob_gives_back_what_was_stored(delta: Delta) -> None:
    back = decode(encode(delta))
    assert rows(back) == rows(delta)
    for before, after in ((getattr(delta, f.name), getattr(back, f.name)) for f in fields(delta)):
        assert [getattr(after, f.name).dtype for f in fields(after)] == [
            getattr(before, f.name).dtype for f in fields(before)
        ]


def test_panes_take_a_byte_a_row_before_compression() -> None:
    n = 50_000
    rng = np.random.default_rng(1)
    columns = [rng.integers(base, base + 250, n) for base in (1, 10**6, 1, 170_000_000, 170_000_000, -32_768)]
    assert len(encode(Delta(cells=Cells(*[*columns, np.ones(n, np.int64)])))) < 6.2 * n


@pytest.mark.parametrize("blob", [b"", b"\x02" + encode(Delta())[1:], b"\x00"])
def test_a_blob_of_another_format_is_refused_with_what_to_do(blob: bytes) -> None:
    with pytest.raises(
        BlobError, match="this program reads format 1: run the version of Tocsin that wrote it"
    ):
        decode(blob)


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_damaged_blob_is_refused(cut: int) -> None:
    with pytest.raises(BlobError, match="damaged"):
        decode(encode(Delta(cells=Cells(*[np.arange(9)] * 7)))[:-cut])


def test_a_blob_that_lies_about_its_columns_is_refused() -> None:
    frame = zstandard.ZstdCompressor().compress(b"\x05\x00\x00\x00rubbish")
    with pytest.raises(BlobError, match="damaged"):
        decode(b"\x01" + frame)


@settings(deadline=None)
@given(st.lists(deltas(small), max_size=4), st.integers(0, 4))
def test_folding_is_associative_and_commutative_and_leaves_each_key_once(parts: list[Delta], at: int) -> None:
    together = rows(fold(parts))

    assert rows(fold([fold(parts[:at]), fold(parts[at:])])) == together
    # Which of two equal hashes stays is arbitrary: a record has one hash.
    assert rows(fold(parts[::-1]))[:3] == together[:3]
    assert len({row[:-1] for row in together[0]}) == len(together[0])
    assert sum(row[-1] for row in together[0]) == sum(int(p.cells.count.sum()) for p in parts)


@given(st.lists(st.tuples(anything, anything, small), min_size=1, max_size=30))
def test_keys_too_wide_to_pack_add_up_all_the_same(keys: list[tuple[int, int, int]]) -> None:
    columns = [np.array(c, np.int64) for c in zip(*keys, strict=True)]
    found, sums = add_up(columns, np.ones(len(keys), np.int64))

    expected = {key: keys.count(key) for key in sorted(keys)}
    assert list(zip(*(c.tolist() for c in found), strict=True)) == list(expected)
    assert sums.tolist() == list(expected.values())


@given(st.lists(st.tuples(small, st.integers(-(2**40), 2**40), small), min_size=1, max_size=30))
def test_packed_keys_keep_their_order_and_come_back(keys: list[tuple[int, int, int]]) -> None:
    packed = pack([np.array(c, np.int64) for c in zip(*keys, strict=True)])

    assert packed is not None
    places, packing = packed
    assert [c.tolist() for c in packing.unpack(places)] == [list(c) for c in zip(*keys, strict=True)]
    assert [keys[i] for i in np.argsort(places, kind="stable")] == sorted(keys)


def intake(cells: Cells) -> Intake:
    return Intake(0, 1, 1, None, None, Delta(cells=cells))


def cells(*rows: tuple[int, int, int, int, int]) -> Cells:
    stream, slices, signal, bucket, count = (np.array(c, np.int64) for c in zip(*rows, strict=True))
    zero = np.zeros(len(rows), np.int64)
    return Cells(stream, slices, signal, zero, zero, bucket, count)


def found(intake: Intake) -> list[tuple[int, ...]]:
    c = intake.delta.cells
    return list(zip(*(x.tolist() for x in (c.stream, c.slice, c.signal, c.bucket, c.count)), strict=True))


def test_used_names_every_code_to_translate_once() -> None:
    codes = used(
        intake(cells((3, 0, 0, 0, 1), (3, 7, 66, 2, 1), (3, 7, 66, 2, 1), (4, 0, 66, 1, 1), (4, 9, 38, 2, 1)))
    )

    assert codes.streams == (3, 4)
    assert codes.slices == (7, 9)
    assert codes.categories == ((3, 66, 2),)


def test_streams_that_were_not_admitted_add_up_in_other() -> None:
    moved = remap(
        intake(cells((1, 0, 0, 0, 5), (2, 0, 0, 0, 7), (3, 0, 0, 0, 1))), {1: 0, 2: 0, 3: 9}, {}, {}
    )
    assert found(moved) == [(0, 0, 0, 0, 12), (9, 0, 0, 0, 1)]


def test_categories_are_translated_within_their_stream_and_signal_and_unknown_and_other_stay() -> None:
    rows = [
        (1, 0, 66, 2, 1),
        (1, 0, 68, 2, 1),
        (2, 0, 66, 2, 1),
        (2, 0, 66, 0, 4),
        (2, 0, 66, 1, 5),
        (2, 0, 38, 2, 9),
    ]
    moved = remap(intake(cells(*rows)), {1: 1, 2: 2}, {}, {(1, 66, 2): 30, (1, 68, 2): 1, (2, 66, 2): 50})

    first = [(1, 0, 66, 30, 1), (1, 0, 68, 1, 1)]
    assert found(moved) == [*first, (2, 0, 38, 2, 9), (2, 0, 66, 0, 4), (2, 0, 66, 1, 5), (2, 0, 66, 50, 1)]


def test_a_slice_without_a_place_is_dropped_and_the_whole_stays() -> None:
    moved = remap(
        intake(cells((1, 0, 0, 0, 3), (1, 5, 0, 0, 2), (1, 6, 0, 0, 1))), {1: 1}, {5: DROPPED, 6: 60}, {}
    )
    assert found(moved) == [(1, 0, 0, 0, 3), (1, 60, 0, 0, 1)]


def test_a_code_without_an_id_is_an_error() -> None:
    with pytest.raises(KeyError):
        remap(intake(cells((1, 0, 0, 0, 3))), {}, {}, {})
