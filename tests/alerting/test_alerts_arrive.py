"""Whatever fails, in whatever order: what fires is announced once and ended once, and the switch is as it was set.

`TOCSIN_ALERT_STORIES=5000` tells so many stories instead of some, other ones each time.
"""

import os
from collections.abc import Iterator

import pytest
from alert_account import Account
from alert_parties import Answer, at_the_other_end
from alert_world import FAILING, MODELS, VARIANTS, World, loaded
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import Engine
from virtual_clock import with_virtual_clock

from monitor.records.delta import Delta

MANY = os.environ.get("TOCSIN_ALERT_STORIES")
STORIES = settings(
    max_examples=int(MANY or 15),
    derandomize=MANY is None,
    stateful_step_count=25,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
HOW = st.fixed_dictionaries({model: st.sampled_from([*FAILING, "bad", "silent"]) for model in MODELS})
DEATHS = st.sampled_from([None, None, None, "judge.before_commit", "judge.after_commit"])
WORKERS, NUMBERS = st.integers(0, 1), st.integers(0, 9)


pytestmark = pytest.mark.timeout(0 if MANY else 600)


@pytest.fixture
def engine(ledger_url: str) -> Iterator[Engine]:
    made = with_virtual_clock(ledger_url)
    yield made
    made.dispose()


class Alerts(RuleBasedStateMachine):
    """One story: what happens to streams, people, processes and receivers, and then a rest."""

    engine: Engine
    configs: dict

    @initialize()
    def begin(self) -> None:
        self.world = World(self.engine, self.configs)
        self.account = Account(self.world)
        self.silences: list[str] = []
        self.end = at_the_other_end(self.world.parties)
        self.end.__enter__()

    @rule(how=HOW, seconds=st.integers(5, 60), skew_s=st.sampled_from([0, 0, 0, -20, 20]))
    def requests_come(self, how: dict, seconds: int, skew_s: int) -> None:
        self.world.feed(how, seconds, skew_s * 1000)

    @rule(how=HOW, seconds=st.integers(20, 60), dies_at=DEATHS)
    def requests_are_judged(self, how: dict, seconds: int, dies_at: str | None) -> None:
        self.world.feed(how, seconds)
        self.tick(dies_at)

    @rule(
        model=st.sampled_from(MODELS),
        first=st.sampled_from(Answer),
        then=st.sampled_from(Answer),
        silenced=st.sampled_from([None, None, {"rule": ("hot",)}, {"model": ("a",)}]),
    )
    def something_fails_and_recovers(
        self, model: str, first: Answer, then: Answer, silenced: dict | None
    ) -> None:
        how = dict.fromkeys(MODELS, "calm")
        self.requests_are_judged(how | {model: "bad"}, 40, None)
        self.all_are_sent(0, first)
        if silenced is not None:
            self.somebody_silences(silenced, 60)
        self.somebody_switches(model, False)
        self.requests_are_judged(how, 45, None)
        self.all_are_sent(1, then)

    @rule(dies_at=DEATHS)
    def tick(self, dies_at: str | None) -> None:
        if self.world.tick(dies_at) or dies_at == "judge.after_commit":
            self.account.ticked()

    @rule(seconds=st.sampled_from([1, 10, 35, 90]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)
        self.world.store(Delta())

    @rule(variant=st.sampled_from(list(VARIANTS)))
    def alerts_yaml_changes(self, variant: str) -> None:
        self.world.reload(variant)
        self.tick(None)

    @rule(
        match=st.sampled_from([{"model": ("a",)}, {"rule": ("hot",)}, {"severity": ("critical",)}]),
        seconds=st.sampled_from([30, 60, 300]),
    )
    def somebody_silences(self, match: dict, seconds: int) -> None:
        self.silences.append(self.world.silence(match, seconds))
        self.account.silenced(match, self.world.clock_ms + seconds * 1000)

    @rule(number=NUMBERS)
    def somebody_acknowledges(self, number: int) -> None:
        self.world.acknowledge(number)

    @rule(model=st.sampled_from(MODELS), trip=st.booleans())
    def somebody_switches(self, model: str, trip: bool) -> None:
        self.world.switch(model, trip=trip)

    @rule(worker=WORKERS)
    def messages_are_claimed(self, worker: int) -> None:
        self.world.notifiers[worker].claim()

    @rule(
        worker=WORKERS,
        number=NUMBERS,
        answer=st.sampled_from(Answer),
        dies=st.sampled_from([False, False, True]),
    )
    def a_message_is_sent(self, worker: int, number: int, answer: Answer, dies: bool) -> None:
        self.world.send(worker, number, answer, dies)

    @rule(worker=WORKERS, answer=st.sampled_from(Answer))
    def all_are_sent(self, worker: int, answer: Answer) -> None:
        self.world.notifiers[worker].claim()
        while self.world.notifiers[worker].claimed:
            self.world.send(worker, 0, answer)

    @rule(worker=WORKERS)
    def a_notifier_dies(self, worker: int) -> None:
        self.world.restart_notifier(worker)

    @rule(number=NUMBERS)
    def the_network_repeats_a_request(self, number: int) -> None:
        self.world.parties.again(number)

    def teardown(self) -> None:
        if not hasattr(self, "end"):
            return
        try:
            self.come_to_rest()
            assert self.account.differences() == []
        finally:
            self.end.__exit__(None, None, None)

    def come_to_rest(self) -> None:
        """Everybody serves again, nothing fails, and receivers take what comes, until nothing waits."""
        for _ in range(30):
            for model in MODELS:
                self.world.switch(model, trip=False)
            self.world.feed(dict.fromkeys(MODELS, "calm"), 40)
            self.tick(None)
            for worker in (0, 1):
                self.all_are_sent(worker, Answer.FINE)
            if self._is_at_rest():
                return
        raise AssertionError(f"no rest: {self._waiting()}, {self.account.differences()}")

    def _is_at_rest(self) -> bool:
        return not self._waiting() and all(row.state != "firing" for row in self.world.incidents())

    def _waiting(self) -> list[tuple[str, str, str]]:
        waiting = [row for row in self.world.deliveries() if row.state == "pending"]
        return [(row.receiver, row.event, row.last_error) for row in waiting]


def test_every_incident_is_announced_once_and_ended_once_and_switches_end_as_they_were_set(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    about = {"engine": engine, "configs": loaded(tmp_path_factory.mktemp("alerts"))}
    run_state_machine_as_test(type("Story", (Alerts,), about), settings=STORIES)
