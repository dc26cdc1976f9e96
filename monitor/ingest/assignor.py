"""Which replica reads which partition where labels have topics of their own: theirs follow those of the predictions.

A label finds what its replica remembers. Sticky assignment places each topic by itself; here partition i of a topic of
labels goes to whoever reads partition i of the predictions, so that the same key comes to the same replica.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

Partition = tuple[str, int]
Placed = dict[str, dict[str, list[int]]]
"""The partitions of each topic, by member."""


class LabelsFollow(CooperativeStickyAssignor):  # type: ignore[misc]
    """Cooperative sticky assignment (KIP-429) of all topics but `labels`, which follow.

    It has the protocol's name and staging: a partition that moves is first let go by its owner, and given to the next
    one in the round after.
    """

    def __init__(self, labels: Collection[str]) -> None:
        super().__init__()
        self._labels = frozenset(labels)

    def parse_member_metadata(self, metadata: Any) -> Any:
        """A member's topics and partitions without those that follow."""
        parsed = super().parse_member_metadata(metadata)
        return parsed._replace(
            partitions=[tp for tp in parsed.partitions if tp.topic not in self._labels],
            subscription=[topic for topic in parsed.subscription if topic not in self._labels],
        )

    def assign(self, cluster: Any, members: Iterable[Any]) -> dict[str, Any]:
        """The assignment of each member."""
        members = list(members)
        leading = super().assign(cluster, members)
        placed: Placed = {
            member: {topic: list(partitions) for topic, partitions in given.assigned_partitions}
            for member, given in leading.items()
        }
        topics = {m.member_id: frozenset(m.metadata.topics) for m in members}
        owned = {
            (owned.topic, partition): m.member_id
            for m in members
            for owned in getattr(m.metadata, "owned_partitions", None) or ()
            for partition in owned.partitions
        }
        counts = {
            topic: len(cluster.partitions_for_topic(topic) or ()) for topic in set().union(*topics.values())
        }
        counts = {topic: n for topic, n in counts.items() if n}
        leads = sorted(counts.keys() - self._labels)
        for label in sorted(self._labels & counts.keys()):
            alike = [topic for topic in leads if counts[topic] == counts[label]]
            lead = next(iter(alike or leads), None)
            _follow((label, counts[label]), (lead, counts.get(lead or "", 1)), placed, topics, owned)
        return {
            member: ConsumerProtocolAssignment(
                self.version, sorted((t, sorted(ps)) for t, ps in found.items()), b""
            )
            for member, found in placed.items()
        }


def _follow(
    label: tuple[str, int],
    lead: tuple[str | None, int],
    placed: Placed,
    topics: Mapping[str, frozenset[str]],
    owned: Mapping[Partition, str],
) -> None:
    """Place what can be placed of `label` in this round, by the partitions of `lead`; both with their number."""
    name, partitions = label
    leader, leading = lead
    readers = sorted(member for member, named in topics.items() if name in named)
    by_lead = {p: member for member, given in placed.items() for p in given.get(leader or "", ())}
    found: dict[str, list[int]] = defaultdict(list)
    for partition in range(partitions):
        wished = by_lead.get(partition % leading)
        if leader is not None and wished is None:
            # The predictions are on their way to another member: the labels follow in the next round.
            continue
        if wished not in readers:
            wished = readers[partition % len(readers)]
        if owned.get((name, partition), wished) == wished:
            found[str(wished)].append(partition)
    for member, given in found.items():
        placed[member][name] = given
