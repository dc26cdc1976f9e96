"""The pages of the documentation, and the blocks of code in them."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])


def fenced(page: Path) -> Iterator[tuple[str, str]]:
    """The language and the text of each code block."""
    language, lines = None, []
    for line in page.read_text().splitlines(keepends=True):
        if not line.lstrip().startswith("```"):
            lines.append(line)
        elif language is None:
            language, lines = line.strip().strip("`"), []
        else:
            yield language, "".join(lines)
            language = None


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [text for found, text in fenced(page) if found == language]
