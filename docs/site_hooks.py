"""What MkDocs cannot do by itself: links to files beside docs/ become their names, as the site does not hold them."""

import posixpath
import re
from typing import Any

_UPWARDS = re.compile(r"\[([^\]]+)\]\((\.\./[^)]*)\)")


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """The page with such links as text."""
    folder = posixpath.dirname(page.file.src_uri)

    def shown(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        return link[1] if target.startswith("../") else link[0]

    return _UPWARDS.sub(shown, markdown)
