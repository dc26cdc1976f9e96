"""What was expected against what was found: a sentence for each difference, with line and time."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from monitor.cli.testing.story import Incident, News, Story
from monitor.cli.testing.suite import Case, Expectation, Wanted, WantedNews
from monitor.ledger.headline import headline
from monitor.ledger.moments import moment
from monitor.ledger.wording import duration


def differences(case: Case, story: Story, start_ms: int) -> list[str]:
    """Everything that is not as expected, `LINE: at 3h10m (11:10:00): ...`; nothing where all is."""
    found, since_ms = [], -1
    for expectation in case.expected:
        at_ms = start_ms + expectation.at_ms
        when = f"{expectation.line}: at {duration(expectation.at_ms)} ({moment(at_ms):%a %H:%M:%S})"
        found += [f"{when}: {why}" for why in _firing(expectation, story, at_ms)]
        found += [f"{when}: {why}" for why in _told(expectation, story, since_ms, at_ms)]
        found += [f"{when}: {why}" for why in _kills(expectation, story, at_ms)]
        since_ms = at_ms
    return found


def _firing(expected: Expectation, story: Story, at_ms: int) -> Iterator[str]:
    now = list(story.firing_at(at_ms))
    for wanted in expected.firing or ():
        if not any(_is(wanted, incident, severity) for incident, severity in now):
            yield f"{wanted} should fire; {_instead(wanted, story, at_ms)}"
    if expected.firing is not None:
        for incident, severity in now:
            if not any(_is(wanted, incident, severity) for wanted in expected.firing):
                yield f"nothing else should fire, but {_shown(incident, severity)}"
    for unwanted in expected.not_firing:
        for incident, severity in now:
            if _is(unwanted, incident, severity):
                yield f"{unwanted} should not fire, but {_shown(incident, severity)}"


def _is(wanted: Wanted, incident: Incident, severity: str) -> bool:
    facts = incident.facts
    return (
        fnmatchcase(incident.rule.name, wanted.rule)
        and wanted.stream in (None, facts.stream)
        and wanted.signal in (None, facts.signal)
        and wanted.severity in (None, severity)
        and wanted.part in (None, incident.part)
        and (wanted.summary is None or fnmatchcase(headline(facts), wanted.summary))
    )


def _instead(wanted: Wanted, story: Story, at_ms: int) -> str:
    """The same rule as it is then, or when it fired instead."""
    mine = [i for i in story.incidents.values() if fnmatchcase(i.rule.name, wanted.rule)]
    now = [(i, severity) for i in mine if (severity := i.severity_at(at_ms)) is not None]
    if now:
        return "; ".join(_shown(i, severity) for i, severity in now)
    if mine:
        return "; ".join(f"{i} {_when(i)}" for i in mine[:3])
    return "it never fires"


def _when(incident: Incident) -> str:
    opened = f"fires from {moment(incident.steps[0][0]):%a %H:%M:%S}"
    at_ms, severity = incident.steps[-1]
    return opened if severity else f"{opened} to {moment(at_ms):%a %H:%M:%S}"


def _shown(incident: Incident, severity: str) -> str:
    since = f"since {moment(incident.steps[0][0]):%H:%M:%S}"
    return f"{incident} fires {since}, {severity}: {headline(incident.facts)}"


def _told(expected: Expectation, story: Story, since_ms: int, at_ms: int) -> Iterator[str]:
    if expected.told is None:
        return
    news = story.told_between(since_ms, at_ms)
    heard = ", ".join(f"{one} at {moment(one.at_ms):%H:%M:%S}" for one in news) or "nobody was told anything"
    for wanted in expected.told:
        if not any(_tells(wanted, one) for one in news):
            yield f"{wanted} should be told; found {heard}"
    for one in news:
        if not any(_tells(wanted, one) for wanted in expected.told):
            yield f"nothing else should be told, but {one} at {moment(one.at_ms):%H:%M:%S}"


def _tells(wanted: WantedNews, news: News) -> bool:
    return (
        (wanted.receiver, wanted.event) == (news.receiver, news.event)
        and (wanted.rule is None or fnmatchcase(news.rule, wanted.rule))
        and (wanted.text is None or fnmatchcase(news.text, wanted.text))
    )


def _kills(expected: Expectation, story: Story, at_ms: int) -> Iterator[str]:
    for key, wanted in expected.kills.items():
        found = story.kill_at(key, at_ms)
        if found != wanted:
            changes = [f"{state} at {moment(at):%H:%M:%S}" for at, k, state in story.kills if k == key]
            was = ", ".join(changes) or "it never changes"
            yield f"switch {'/'.join(filter(None, key))} should be {wanted}, but is {found}; {was}"
