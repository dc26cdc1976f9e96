"""What becomes of the decisions of one test: the judge's own handling of them, on what a test keeps."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from monitor.cli.testing.board import Board
from monitor.cli.testing.played import PlayedIncidents
from monitor.cli.testing.story import Story
from monitor.config.model import Config
from monitor.judge.history import History
from monitor.judge.kill import Switches, paused_by
from monitor.judge.moving import News, move, remind
from monitor.judge.plan import Plan
from monitor.judge.scene import Scene
from monitor.judge.verdicts import Decision, Trip, Verdict


class Desk:
    """Takes decisions in order, moment by moment: what one moment brings is told together."""

    def __init__(self, config: Config, plan: Plan, history: History, story: Story) -> None:
        self._config, self._plan, self._history = config, plan, history
        self._incidents = PlayedIncidents(plan.rules, story)
        self._board = Board(config, self._incidents, story)

    def switches(self) -> Switches:
        """As the core is told of them."""
        return self._board.switches()

    def paused(self, labels: Mapping[int, Mapping[str, str]]) -> frozenset[int]:
        """The streams whose switch is tripped."""
        return paused_by(self._plan.kills, labels, self._board.tripped.keys())

    def take(self, decisions: Iterable[Decision]) -> None:
        """Take what one step of the judge has decided."""
        moves = [d for d in decisions if isinstance(d, Verdict | Trip)]
        for at_ms, together in groupby(sorted(moves, key=_at), key=_at):
            self._at_once(self._scene(at_ms), together)

    def remind(self, now_ms: int) -> None:
        """Tell what is due by the clock."""
        remind(self._scene(now_ms))

    def _at_once(self, scene: Scene, moves: Iterable[Verdict | Trip]) -> None:
        news = News(scene)
        for one in moves:
            if isinstance(one, Verdict):
                move(scene, one, news)
            else:
                news.tell()
                self._board.pull(scene, one)
        news.tell()

    def _scene(self, now_ms: int) -> Scene:
        self._incidents.now_ms = now_ms
        return Scene(self._incidents, self._config, self._plan, self._history, now_ms)


def _at(move: Verdict | Trip) -> int:
    return move.detected_ms
