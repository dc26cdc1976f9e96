"""All that people can do by forms: each is what a command does, by the same code."""

from typing import Final

from sqlalchemy import Connection

from monitor.config.matchers import read_words, written
from monitor.config.model import KillSwitch
from monitor.errors import UsageError, unknown_incident
from monitor.judge import accepting, silencing
from monitor.killswitch.change import KillOutcome
from monitor.ledger import announcements, silences
from monitor.ledger.announcements import payload
from monitor.ledger.incidents import Acknowledgement
from monitor.web.kills import REASON, checked
from monitor.web.kills import Asked as Kill
from monitor.web.pages.address import incident_page
from monitor.web.pages.forms import Action, Asked, Done, Field, Form, Values
from monitor.web.pages.site import Site

OUTCOMES: Final = (
    ("", "not said yet"),
    ("true", "true: something was wrong"),
    ("expected", "expected: it was meant to be so"),
    ("false_alarm", "false alarm: nothing was wrong"),
)
WHY: Final = Field("reason", "Reason", "Goes to the service, the timeline and the audit.", longest=REASON)


def _switch(site: Site, values: Values) -> KillSwitch:
    found = site.board.switches.get(values.get("switch", ""))
    if found is None:
        raise LookupError("there is no kill switch of that name")
    return found


def _named(switch: KillSwitch, values: Values) -> str:
    value = values.get("stream", "")
    return f"{switch.name} of {value}" if value else switch.name


def _kill_form(site: Site, values: Values, *, trip: bool) -> Form:
    switch = _switch(site, values)
    does = f"The service is told to {switch.mode} {switch.target or ''}".rstrip()
    does = does if trip else "The service may serve again"
    also = (
        "Rules of its streams pause until it is released."
        if trip
        else "Evidence for the next trip begins afresh."
    )
    which = () if values.get("stream") or not switch.per else (_which(switch),)
    return Form(
        title=f"{'Trip' if trip else 'Release'} {_named(switch, values)}",
        does=(f"{does}, by webhook, topic and flag, at once.", also),
        fields=(*which, WHY),
        submit="Trip it" if trip else "Release it",
        back="/",
        hidden={name: values[name] for name in ("switch", "stream") if values.get(name)},
        grave=trip,
    )  # fmt: skip


def _which(switch: KillSwitch) -> Field:
    return Field(
        "stream", " and ".join(switch.per), "Which of its states: the value of these labels.", longest=REASON
    )


def _kill(site: Site, asked: Asked, *, trip: bool) -> Done:
    try:
        switch = _switch(site, asked.values)
    except LookupError as unknown:
        raise UsageError(str(unknown)) from None
    wanted = checked(Kill(asked.values.get("reason", ""), "", asked.values.get("stream", "")), switch)
    if isinstance(wanted, str):
        raise UsageError(wanted)
    change = site.board.trip if trip else site.board.release
    outcome = change(switch, wanted.stream, wanted.reason, asked.actor)
    return Done(_said(_named(switch, asked.values), outcome, trip=trip), "/")


def _said(name: str, outcome: KillOutcome, *, trip: bool) -> str:
    if outcome.new:
        return f"{name} is {outcome.action}, sequence {outcome.sequence}; the service is being told."
    return f"{name} was tripped already." if trip else f"{name} is not tripped."


def _summary(conn: Connection, values: Values) -> str:
    """What the incident of the form is, "" where there is none."""
    row = payload(conn, values["incident"])
    return str(row["summary"]) if row else ""


def _ack_form(site: Site, values: Values) -> Form:
    incident = values["incident"]
    return Form(
        title=f"Acknowledge {incident}",
        does=(
            "Says that you have it, to everybody who was told of it; an outcome can be given or changed later.",
        ),
        fields=(Field("outcome", "What it turned out to be", options=OUTCOMES, required=False),),
        submit="Acknowledge",
        back=incident_page(incident),
        hidden={},
    )


def _ack(site: Site, asked: Asked) -> Done:
    incident, outcome = asked.values["incident"], asked.values.get("outcome") or None
    if outcome not in (None, *(value for value, _ in OUTCOMES)):
        raise UsageError(f"{outcome} is no outcome: choose one of the list")

    def write(conn: Connection) -> str:
        done = announcements.acknowledge(conn, incident, asked.actor, outcome)
        if done is Acknowledgement.UNKNOWN:
            raise unknown_incident(incident)
        as_what = f"; its outcome is {outcome} now" if outcome else ""
        before = "is acknowledged" if done is Acknowledgement.DONE else "was acknowledged before"
        return f"{incident} {before}{as_what}."

    return Done(site.board.change(write), incident_page(incident))


def _accept_form(site: Site, values: Values) -> Form:
    incident = values["incident"]
    return Form(
        title=f"Accept {incident} as the new normal",
        does=(
            "Only where it is meant to be so: what was counted since it was detected becomes the reference.",
            "The incident is marked as expected and resolves; from then on, values like these alarm nobody.",
            "The reference before can be promoted again: tocsin reference list, tocsin reference promote.",
        ),
        fields=(),
        submit="Make it the new normal",
        back=incident_page(incident),
        hidden={},
        grave=True,
    )


def _accept(site: Site, asked: Asked) -> Done:
    incident = asked.values["incident"]

    def write(conn: Connection) -> str:
        accepted = accepting.accept(conn, site.config, incident, asked.actor)
        return f"{incident} is accepted: {accepted.sentence}."

    return Done(site.board.change(write), incident_page(incident))


def _silence_form(site: Site, values: Values) -> Form:
    labels = ", ".join((*site.config.streams.labels, "rule", "stream", "signal", "severity"))
    return Form(
        title="Silence",
        does=(
            "Tells nobody of incidents that match all of it. They still open and are kept.",
            "Who still fires when it ends is told then, and kills are always told.",
        ),
        fields=(
            Field(
                "match",
                "What",
                f"Such as model=chat-eu 'stream=my model', of {labels}; * stands for anything, [,] for a comma.",
            ),
            Field("length", "For how long", "Such as 30m, 2h or 3d; at most 30d.", longest=20),
            Field(
                "reason", "Reason, if you like", "Stands in every timeline that it touches.", required=False
            ),
        ),
        submit="Silence it",
        back="/",
        hidden={},
    )


def _silence(site: Site, asked: Asked) -> Done:
    words, reason = read_words(asked.values.get("match", "")), asked.values.get("reason", "").strip()
    if not words:
        raise UsageError("say what to silence, such as model=chat-eu")
    match, for_ms = silencing.matched(words, site.config), silencing.length_ms(asked.values.get("length", ""))

    def write(conn: Connection) -> str:
        begun = silencing.begin(conn, match, for_ms=for_ms, author=asked.actor, reason=reason)
        n = begun.holds_for
        holds = f"{n} incident{'' if n == 1 else 's'} that fire{'s' if n == 1 else ''} now"
        return f"{written(match)} is silent for {asked.values['length']}; it holds for {holds}."

    return Done(site.board.change(write), "/")


def _expire_form(site: Site, values: Values) -> Form:
    return Form(
        title=f"End silence {values['silence']}",
        does=("Who still fires is told of now.",),
        fields=(),
        submit="End it",
        back="/",
        hidden={},
    )


def _expire(site: Site, asked: Asked) -> Done:
    silence = asked.values["silence"]

    def write(conn: Connection) -> str:
        if not silences.expire(conn, silence, asked.actor):
            raise UsageError(f"there is no silence {silence} in force")
        return f"Silence {silence} is over."

    return Done(site.board.change(write), "/")


ACTIONS: Final = (
    Action("/switches/trip", lambda s, v: _kill_form(s, v, trip=True), lambda s, a: _kill(s, a, trip=True)),
    Action(
        "/switches/release", lambda s, v: _kill_form(s, v, trip=False), lambda s, a: _kill(s, a, trip=False)
    ),
    Action("/incidents/{incident}/acknowledge", _ack_form, _ack, _summary),
    Action("/incidents/{incident}/accept", _accept_form, _accept, _summary),
    Action("/silences/add", _silence_form, _silence),
    Action("/silences/{silence}/expire", _expire_form, _expire),
)
