"""What MkDocs cannot do by itself: links to files beside docs/ become their names, as the site does not hold them."""

import re

_BESIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with such links as text."""
    return _BESIDE.sub(r"\1", markdown)
