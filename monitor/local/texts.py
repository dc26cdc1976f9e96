"""Running text in seven languages for traffic made on this machine, put together from `corpora.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "nl")
SENTENCES: Final = 1_200

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prose:
    """Text to cut pieces from: `starts` and `ends`, int64[s], bound its sentences in characters."""

    text: str
    starts: I64
    ends: I64

    def cut(self, starts: I64, chars: I64) -> list[str]:
        """Whole sentences from number `starts` on, `chars` characters or more together; int64[n] each."""
        choices = np.searchsorted(self.starts, len(self.text) - chars)
        begin = self.starts[starts % np.maximum(choices, 1)]
        stop = np.minimum(np.searchsorted(self.ends, begin + chars), len(self.ends) - 1)
        return [self.text[a:b] for a, b in zip(begin.tolist(), self.ends[stop].tolist(), strict=True)]

    def chars(self, starts: I64, length: int) -> list[str]:
        """Pieces of exactly `length` characters from sentence number `starts` on, int64[n]."""
        last = int(np.searchsorted(self.starts, len(self.text) - length))
        return [self.text[a : a + length] for a in self.starts[starts % last].tolist()]


@cache
def questions(language: str) -> Prose:
    """What users ask; the same on every call. A language not of LANGUAGES: KeyError."""
    return _prose(_corpora()[language], "questions")


@cache
def answers(language: str) -> Prose:
    """What the model answers; the same on every call. A language not of LANGUAGES: KeyError."""
    return _prose(_corpora()[language], "answers")


@cache
def _corpora() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return tomllib.loads(files("monitor.local").joinpath("corpora.toml").read_text("utf-8"))


def _prose(corpus: Mapping[str, Sequence[str]], kind: str) -> Prose:
    rng = np.random.default_rng(17)
    parts = (corpus[kind], corpus["things"], corpus["times"])
    picks = zip(*(rng.integers(len(part), size=SENTENCES).tolist() for part in parts), strict=True)
    sentences = [_sentence(corpus[kind][a], corpus["things"][b], corpus["times"][c]) for a, b, c in picks]
    lengths = np.array([len(s) for s in sentences], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return Prose(" ".join(sentences), ends - lengths, ends)


def _sentence(template: str, thing: str, time: str) -> str:
    return template.format(thing=thing, Thing=thing[0].upper() + thing[1:], time=time)
