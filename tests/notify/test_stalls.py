"""Rule 6 with real processes: a worker that stands still, or dies, between claim and send."""

import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from notify_flow import ID, all_done, notifying, open_to, rows, until

from monitor.killswitch.states import state
from monitor.killswitch.switches import release, trip
from monitor.ledger.announcements import announce
from monitor.ledger.incidents import resolve

SCRIPT = Path(__file__).with_name("stalled_notifier.py")


@contextmanager
def stalled(ledger, tmp_path, lease_s):
    """A process that has claimed a message and stands still before sending it."""
    url = ledger.url.render_as_string(hide_password=False)
    command = [sys.executable, str(SCRIPT), url, str(tmp_path / "alerts.yaml"), str(lease_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "claimed\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_rule_6_a_trip_sent_after_the_release_is_followed_by_the_release(ledger, config, party, tmp_path):
    chat = config.kill_switches["chat"]
    with ledger.begin() as conn:
        trip(conn, chat, stream="chat-eu", reason="r", actor="ann")
    with stalled(ledger, tmp_path, lease_s=60) as process, notifying(ledger, config):
        with ledger.begin() as conn:
            release(conn, chat, reason="mended", actor="ann")
        party.wait_for(1, "/kill")
        process.send_signal(signal.SIGCONT)
        party.wait_for(3, "/kill")
        until(lambda: all_done(ledger))
        with ledger.begin() as conn:
            assert state(conn)["chat", ""].tripped is False
    received = [request.json["data"] for request in party.to("/kill")]
    assert [data["state"] for data in received] == ["released", "tripped", "released"]
    assert received[-1]["sequence"] > received[1]["sequence"]


def test_rule_6_an_opening_sent_after_the_resolve_is_followed_by_the_resolve(ledger, config, party, tmp_path):
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
        resolve(conn, ID)
        announce(conn, ID, "resolved")
    with stalled(ledger, tmp_path, lease_s=1) as process, notifying(ledger, config):
        party.wait_for(2, "/slack")
        until(lambda: all_done(ledger))
        process.send_signal(signal.SIGCONT)
        party.wait_for(4, "/slack")
        until(lambda: all_done(ledger))
    first_words = [request.json["text"].split()[0] for request in party.to("/slack")]
    assert first_words == ["chat-eu:", "RESOLVED", "chat-eu:", "RESOLVED"]


def test_what_a_killed_process_had_claimed_is_sent_when_its_lease_ends(ledger, config, party, tmp_path):
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
    with stalled(ledger, tmp_path, lease_s=1) as process:
        process.kill()
        process.wait()
        with notifying(ledger, config):
            until(lambda: all_done(ledger))
    assert [(row.state, row.attempts) for row in rows(ledger)] == [("delivered", 2)]
    assert len(party.requests) == 1
