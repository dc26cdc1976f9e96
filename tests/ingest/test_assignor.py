"""Topics of labels are read where their predictions are, through every change of the group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription
from kafka.structs import TopicPartition

from monitor.ingest.assignor import LabelsFollow

Owned = dict[str, set[tuple[str, int]]]


@dataclass
class Group:
    """A consumer group with its topics, by number of partitions; `labels` follow."""

    counts: Mapping[str, int]
    labels: Sequence[str] = ("labels",)
    owned: Owned = field(default_factory=dict)

    def joined(self, *members: str, only: Mapping[str, Sequence[str]] | None = None) -> Owned:
        """What everybody owns once the group has come to rest; nobody is given what another still has."""
        self.owned = {member: self.owned.get(member, set()) for member in members}
        for _ in range(4):
            before = self.owned
            given = self._round(members, only or {})
            for member, partitions in given.items():
                others = set().union(*(owned for name, owned in before.items() if name != member))
                assert not partitions & others
            self.owned = given
            if given == before:
                return given
        raise AssertionError("the group never comes to rest")

    def _round(self, members: Sequence[str], only: Mapping[str, Sequence[str]]) -> Owned:
        cluster: Any = SimpleNamespace(
            partitions_for_topic=lambda topic: set(range(self.counts[topic])), topics=lambda: set(self.counts)
        )
        joining = []
        for member in members:
            assignor = LabelsFollow(self.labels)
            assignor.member_assignment = [TopicPartition(*tp) for tp in self.owned[member]]
            metadata = assignor.metadata(only.get(member, list(self.counts)))
            sent = ConsumerProtocolSubscription.decode(metadata.encode())
            joining.append(SimpleNamespace(member_id=member, metadata=sent))
        given = LabelsFollow(self.labels).assign(cluster, joining)
        return {
            member: {(topic, p) for topic, partitions in found.assigned_partitions for p in partitions}
            for member, found in given.items()
        }


def numbers(owned: Owned, member: str, topic: str) -> set[int]:
    return {p for t, p in owned[member] if t == topic}


def together(owned: Owned, labels: str, predictions: str) -> bool:
    return all(numbers(owned, member, labels) == numbers(owned, member, predictions) for member in owned)


def all_of(owned: Owned) -> list[tuple[str, int]]:
    return sorted(tp for partitions in owned.values() for tp in partitions)


@pytest.mark.parametrize("members", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_partition_by_partition_they_come_to_the_same_member(members: list[str]) -> None:
    owned = Group({"chat": 6, "labels": 6}).joined(*members)
    assert together(owned, "labels", "chat")
    assert all_of(owned) == sorted((t, p) for t in ("chat", "labels") for p in range(6))


def test_they_follow_when_members_come_and_go() -> None:
    group = Group({"chat": 6, "labels": 6})
    for members in (["a"], ["a", "b"], ["a", "b", "c"], ["b", "c"], ["c", "d"]):
        owned = group.joined(*members)
        assert together(owned, "labels", "chat")
        assert len(all_of(owned)) == 12


def test_of_several_topics_they_follow_one_with_as_many_partitions() -> None:
    owned = Group({"chat": 2, "search": 4, "labels": 4}).joined("a", "b")
    assert together(owned, "labels", "search")


def test_with_fewer_partitions_than_the_predictions_each_is_still_read_once() -> None:
    owned = Group({"chat": 6, "labels": 1}).joined("a", "b")
    assert [tp for tp in all_of(owned) if tp[0] == "labels"] == [("labels", 0)]
    [reader] = [member for member in owned if numbers(owned, member, "labels")]
    assert 0 in numbers(owned, reader, "chat")


def test_a_member_that_does_not_read_labels_yet_is_given_none() -> None:
    owned = Group({"chat": 4, "labels": 4}).joined("new", "old", only={"old": ["chat"]})
    assert numbers(owned, "new", "labels") == {0, 1, 2, 3}
    assert len(numbers(owned, "old", "chat")) == 2


def test_labels_alone_are_shared_among_their_readers() -> None:
    owned = Group({"labels": 4}).joined("a", "b")
    assert [len(numbers(owned, member, "labels")) for member in ("a", "b")] == [2, 2]
