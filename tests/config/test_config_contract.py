"""The example of the contract: every key of it is read."""

from pathlib import Path

import pytest

from monitor import config

CONTRACT = Path(__file__).parent / "contract.yaml"


def test_all_of_it_loads() -> None:
    loaded = config.load(CONTRACT, environ={}, need=config.CHECK)
    names = (
        "errors",
        "truncated",
        "length",
        "language",
        "confidence",
        "slow",
        "ceiling",
        "slo",
        "spend",
        "traffic",
        "silence",
    )
    assert tuple(rule.name for rule in loaded.rules) == names
    assert loaded.source.topics == ("predictions",)
    assert loaded.learning.learn == 10_000
    assert loaded.false_alarms.rates == {"any": pytest.approx(1 / (30 * 86_400_000))}


PLANNED = {
    "labels": ["mature: 90d"],
    "receivers.default": ["teams: {}", "discord: {}"],
    "receivers.default.slack": ["mention: x"],
}


@pytest.mark.parametrize(("where", "key"), [(where, key) for where, keys in PLANNED.items() for key in keys])
def test_a_key_to_come_is_refused_wherever_it_stands(tmp_path: Path, where: str, key: str) -> None:
    def also(place: str) -> str:
        return f", {key}" if place == where else ""

    file = tmp_path / "alerts.yaml"
    file.write_text(
        f"{{name: prod{also('')},\n"
        f"source: {{bootstrap_servers: k, topic: t{also('source')}}},\n"
        f"streams: {{by: [model]{also('streams')}}},\n"
        f"reference: {{learn: 1000{also('reference')}}},\n"
        f"labels: {{join: 2h{also('labels')}}},\n"
        f"false_alarms: {{warning: 1 per 7d{also('false_alarms')}}},\n"
        f"rules: [{{name: e, signal: error, above: 2x{also('rules[0]')}}}],\n"
        f"receivers: {{default: {{slack: {{url: '${{S}}'{also('receivers.default.slack')}}}"
        f"{also('receivers.default')}}}}},\n"
        f"kill_switches: {{chat: {{webhook: {{url: '${{K}}', secret: '${{W}}'}}"
        f"{also('kill_switches.chat')}}}}}}}\n"
    )
    name = key.partition(":")[0]
    path = f"{where}.{name}" if where else name
    found = config.problems(file, environ={})
    assert [(p.path, p.sentence) for p in found] == [(path, f"`{name}` is not supported yet")]
