"""The demo's story, told on the console as it happens."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from monitor.cli.demo.score import Incident, Injection, Score
from monitor.ledger.moments import moment
from monitor.ledger.wording import duration
from monitor.local.receiver import Received
from monitor.local.scenario import PER_SECOND, SPEED, Scenario
from monitor.local.traffic import Drift

INJECTED: Final[Mapping[Drift, str]] = {
    Drift.LENGTH: "answers get shorter: 0.45 of their length",
    Drift.LANGUAGE: "version v42 appears and answers German: 30 points more of all answers",
    Drift.CONFIDENCE: "the model grows unsure: median confidence 0.87 -> 0.58",
    Drift.SLOW: "one request in twenty takes ten times as long, the median stays",
    Drift.ERRORS: "total failure: 97 of 100 requests time out",
}
NON_TERMINAL_WIDTH: Final = 150


def story_console() -> Console:
    """Standard output; tables are wide where no terminal says how wide it is."""
    width = None if sys.stdout.isatty() else NON_TERMINAL_WIDTH
    return Console(highlight=False, soft_wrap=True, width=width)


class Story:
    """Tells one line an event: seconds since `began_ms` on the clock, event time, what happened."""

    def __init__(self, console: Console, began_ms: int) -> None:
        self._console = console
        self._began_ms = began_ms

    def tell(self, clock_ms: int, event_ms: int | None, text: str) -> None:
        """One line; `text` may hold rich's markup."""
        event = f"{moment(event_ms):%H:%M:%S}" if event_ms is not None else ""
        self._console.print(f"{(clock_ms - self._began_ms) / 1000:6.1f} s  {event:8}  {text}")

    @contextmanager
    def live(self) -> Iterator[Callable[[str], None]]:
        """A last line that the caller keeps up to date while the story goes on; only in a terminal."""
        if not self._console.is_terminal:
            yield lambda _: None
            return
        with self._console.status("") as status:
            yield status.update

    def prologue(self) -> None:
        self._console.print("Starting Apache Kafka, PostgreSQL and the daemon on this machine.")

    def opening(self, kafka: str, postgres: str, overrides: Sequence[str]) -> None:
        self._console.print(f"Apache Kafka serves at {kafka}, PostgreSQL at {postgres}: both out of wheels.")
        self._console.print("alerts.yaml is the one at the top of the project, but for:")
        for line in overrides:
            self._console.print(f"    {line}", markup=False)

    def curtain(self, scenario: Scenario, clock_ms: int) -> None:
        first = scenario.phases[0]
        self._console.print(
            f"Event time starts at {moment(first.start_ms):%H:%M:%S} UTC and runs {SPEED} times as fast as "
            "the clock, until it has caught up.\n\n   clock   event time"
        )
        quiet = duration(first.end_ms - first.start_ms)
        self.tell(clock_ms, first.start_ms, f"a quiet service: {PER_SECOND:g} requests a second for {quiet}")

    def learned(self, clock_ms: int, event_ms: int, state: str, count: int) -> None:
        meaning = {
            "provisional": "the reference is provisional: three times the tolerance",
            "watched": "the reference is learned: from now on every drift counts",
        }.get(state, state)
        self.tell(clock_ms, event_ms, f"[cyan]{count:,} requests seen, {meaning}[/]")

    def injected(self, injection: Injection) -> None:
        text = f"[yellow]injected[/] {injection.drift:10}  {INJECTED[injection.drift]}"
        self.tell(injection.sent_ms, injection.begins_ms, text)

    def fired(self, incident: Incident, injection: Injection | None, own: bool) -> None:
        text = f"{incident.rule:10}  {incident.severity}: {escape(incident.summary)}"
        if own:
            self.tell(incident.opened_ms, incident.detected_ms, f"[dim]noted    {text}[/]")
        elif injection is None:
            self.tell(incident.opened_ms, incident.detected_ms, f"[red]FALSE ALARM[/] {text}")
        else:
            verb = "[green]FIRED[/]   " if injection.is_found_by(incident) else "[green]follows[/] "
            after = self._after(incident, injection)
            self.tell(incident.opened_ms, incident.detected_ms, f"{verb} {text} [dim]({after})[/]")

    def _after(self, incident: Incident, injection: Injection) -> str:
        event = duration(max(incident.detected_ms - injection.begins_ms, 0))
        clock = duration(max(incident.opened_ms - injection.sent_ms, 0))
        return f"{event} after in event time, {clock} by the clock"

    def changed(self, clock_ms: int, incident: Incident) -> None:
        """An incident that told another severity or state before."""
        text = f"{incident.rule:10}  is {incident.state}, {incident.severity}"
        self.tell(clock_ms, None, f"[dim]now      {text}[/]")

    def killed(self, request: Received, after_s: float | None) -> None:
        after = "" if after_s is None else f" {after_s:.1f} s after the first failure"
        self.tell(request.at_ms, None, f"[bold red]KILL webhook received[/]{after}, as it came:")
        self._console.print(f"           POST {request.path}", markup=False)
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            self._console.print(f"           {name}: {request.headers.get(name, '(missing)')}", markup=False)
        holds = "holds" if request.signed else "DOES NOT HOLD"
        self._console.print(f"           (the signature {holds})")
        body = json.dumps(json.loads(request.body), indent=2, ensure_ascii=False)
        for line in body.splitlines():
            self._console.print(f"           {line}", markup=False)

    def counted(self, sent: int, counted: int, skipped: int) -> None:
        """The account of all records that were written."""
        self._console.print(
            f"\n{sent:,} records written, {counted:,} counted exactly once, {skipped:,} skipped"
        )

    def rows(self, sql: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A query and its answer."""
        self._console.print(f"\n{sql}", markup=False, style="bold")
        table = Table(*columns)
        for row in rows:
            table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
        self._console.print(table, soft_wrap=False)

    def further(self, lines: Sequence[str]) -> None:
        self._console.print("\nLook further:")
        for line in lines:
            self._console.print(f"    {line}", markup=False)

    def problems(self, score: Score, log_tail: str) -> None:
        """Why the demo is not as it should be."""
        missing = sorted(set(Drift) - score.found.keys())
        if missing:
            self._console.print(f"[red]not found: {', '.join(missing)}[/]")
        for alarm in score.false_alarms:
            self._console.print(f"[red]false alarm: {escape(alarm.rule)}: {escape(alarm.summary)}[/]")
        self._console.print("The daemon's last words:")
        self._console.print(log_tail, markup=False)

    def last(self, score: Score) -> None:
        self._console.print(f"\n{score.line}", markup=False)
