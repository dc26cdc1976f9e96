"""Draws plots one at a time on a thread of its own, and keeps the newest.

The drawing library takes a second and about 90 MB for its first plot: only once somebody looks.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, Final

from monitor.postmortem import chart

KEPT: Final = 512
LARGEST: Final = 256 << 10
WITHIN_S: Final = 20.0
EXTRA: Final = "plots need the extra: pip install 'tocsin[plot]'"
STYLE: Final = (
    "<style>svg{color:#4a5361}@media (prefers-color-scheme:dark){svg{color:#aeb7c4}}"
    "text{font-family:system-ui,sans-serif}</style>"
)

Key = tuple[object, ...]


def can_draw() -> bool:
    """Whether what draws is installed."""
    return find_spec("vl_convert") is not None


class Drawing:
    """Plots as SVG by a key, which says all that they depend on."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept: OrderedDict[Key, str] = OrderedDict()
        self._most = kept
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="plots")

    def found(self, key: Key) -> str | None:
        """A plot that was drawn before."""
        drawn = self._kept.get(key)
        if drawn is not None:
            self._kept.move_to_end(key)
        return drawn

    async def run(self, draw: Callable[[], str]) -> str:
        """What `draw` makes, after those who came before; raises TimeoutError where too many did."""
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.run_in_executor(self._thread, draw), WITHIN_S)

    async def drawn(self, key: Key, spec: Mapping[str, Any]) -> str:
        """The plot that `spec` describes in Vega-Lite; raises TimeoutError where too many wait."""
        svg = await self.run(lambda: _styled(chart.svg(spec)))
        if len(svg) <= LARGEST:
            self._kept[key] = svg
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return svg


def _styled(svg: str) -> str:
    """With colours for light and dark: an image does not take those of its page."""
    head, end, rest = svg.partition(">")
    return head + end + STYLE + rest
