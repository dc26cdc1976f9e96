"""A few thousand damaged inputs each, and all that once did harm: no crash, no hang, no memory that grows."""

import time
from collections import Counter
from random import Random

import pytest
from fuzz import CORPUS, GROWTH_MB, INPUT_S, TARGETS, TooLongError, fuzz, limited, target_of

SECONDS = 2.0


def made(name, folder, seed=1):
    return target_of(name, Random(seed), folder)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_do_no_harm(name, tmp_path):
    # A seed of the day: what one run misses another may find, and the seed is in the report.
    seed = int(time.time() // 86_400)
    found = fuzz(
        made(name, tmp_path, seed), 1_000_000, warm=100, deadline=time.monotonic() + SECONDS, keep=None
    )
    assert (found["crashes"], seed) == (0, seed)
    assert found["inputs"] > 100
    assert found["grown_mb"] < GROWTH_MB
    assert len(found["seen"]) > 1


@pytest.mark.parametrize(
    "file", sorted(CORPUS.glob("*/*")), ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_what_once_did_harm_or_might_does_none(file, tmp_path):
    with limited(INPUT_S):
        made(file.parent.name, tmp_path).feed([file.read_bytes()])


def hang():
    while True:
        pass


def test_a_target_that_hangs_or_raises_is_found_out():
    class Broken:
        name, seen = "broken", Counter()

        def inputs(self):
            return [b"good", b"bad"]

        def feed(self, inputs):
            if b"bad" in inputs:
                raise ValueError("bad")

        def forget(self):
            pass

    assert fuzz(Broken(), 4, warm=2, keep=None)["crashes"] == 2
    with pytest.raises(TooLongError), limited(0.01):
        hang()
