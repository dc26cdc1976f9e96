"""What is wrong with an alerts.yaml: one sentence for each mistake, with its place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake; `line` and `column` count from 1, `path` is like `rules[2].above`.

    Never holds the value of a secret, nor what a variable expanded to.
    """

    file: str
    line: int
    column: int
    path: str
    sentence: str
    suggestion: str = ""

    @property
    def section(self) -> str:
        """The key at the top of the file that it is under; "" where it is under none."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]

    def __str__(self) -> str:
        at = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        advice = f" ({self.suggestion})" if self.suggestion else ""
        return f"{at}{path}{self.sentence}{advice}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column from 1, `start` and `end` in characters of the text.

    `file` is "" for the file that is being read.
    """

    line: int = 1
    column: int = 1
    start: int = 0
    end: int = 0
    file: str = ""


class WrongError(Exception):
    """A value cannot be read, and why."""

    def __init__(self, sentence: str, suggestion: str = "") -> None:
        self.sentence = sentence
        self.suggestion = suggestion
        super().__init__(sentence)


class UnsetError(Exception):
    """The value rests on a variable that is not set, in a section that the command does not need."""


@dataclass(slots=True)
class Report:
    """Collects problems while a file is read."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def add(self, place: Place, path: str, sentence: str, suggestion: str = "") -> None:
        file = place.file or self.file
        self.problems.append(Problem(file, place.line, place.column, path, sentence, suggestion))

    def warn(self, place: Place, path: str, sentence: str, suggestion: str = "") -> None:
        """Notes what works, but is hardly meant or not wise."""
        self.warnings.append(
            Problem(place.file or self.file, place.line, place.column, path, sentence, suggestion)
        )

    def in_order(self) -> list[Problem]:
        return sorted(set(self.problems))


def meant(word: str, known: Iterable[str]) -> str:
    """`did you mean X?` for the nearest known word, or the words there are where none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    if 0 < len(words) <= 12:
        return "there is " + listed(words)
    return ""


def listed(words: Iterable[str], joint: str = "and") -> str:
    """`a, b and c`."""
    all_words = list(words)
    if len(all_words) < 2:
        return "".join(all_words)
    return f"{', '.join(all_words[:-1])} {joint} {all_words[-1]}"
