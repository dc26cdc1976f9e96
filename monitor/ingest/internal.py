"""Incidents that ingest opens about itself, in the transaction of the checkpoint that follows from them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, func, select

from monitor.config.model import Config
from monitor.ingest.checkpoint import Announce
from monitor.ingest.placement import Placement
from monitor.killswitch.switches import send_again
from monitor.ledger.announcements import open_internal
from monitor.ledger.decided import incident
from monitor.records.delta import SkippedRange

OFFSETS_LOST = "tocsin.offsets_lost"
WENT_BACK = "tocsin.ledger_went_back"


@dataclass(frozen=True, slots=True)
class Internal:
    """What `place` found, told as incidents."""

    config: Config
    clock: Callable[[], int]

    def announcements(self, partition: str, placement: Placement) -> tuple[Announce, ...]:
        """What to do in the transaction of the partition's next checkpoint; `partition` is its name."""
        found: list[Announce] = []
        if placement.lost is not None:
            found.append(partial(self._offsets_lost, partition, placement.lost))
        if placement.went_back:
            found.append(partial(self._went_back, partition, placement.went_back))
        return tuple(found)

    def _offsets_lost(self, partition: str, lost: SkippedRange, connection: Connection) -> None:
        open_internal(
            connection,
            self.config,
            rule=OFFSETS_LOST,
            # A second loss is another incident, also while the first is open.
            key=f"{partition} from offset {lost.first}",
            summary=f"{lost.count} records of {partition} were deleted before Tocsin read them",
            detail=f"Retention removed offsets {lost.first} to {lost.last}; reading goes on after them. "
            "Raise retention.ms, or find out why Tocsin was away or slow.",
            at_ms=self.clock(),
        )

    def _went_back(self, partition: str, offsets: int, connection: Connection) -> None:
        opened = open_internal(
            connection,
            self.config,
            rule=WENT_BACK,
            key="ledger",
            summary="The ledger went back to an older copy",
            detail=f"{partition} is {offsets} offsets behind what had been committed: Postgres was restored, "
            "or failed over to a standby that lagged. Records are counted again; messages may come twice.",
            at_ms=self.clock(),
        )
        # Receivers may know a newer state of the switches than the ledger does; one partition sees to that.
        now = select(incident.c.opened_at == func.now()).where(incident.c.incident_id == opened)
        if connection.scalar(now):
            for switch in self.config.kill_switches.values():
                send_again(connection, switch, reason="the ledger went back to an older copy", actor="tocsin")
