"""A receiver that repeats its secret does not bring it into SQL or the log."""

from notify_flow import notifying, open_to, rows, until
from notify_parties import AM_TOKEN, ROUTING_KEY, SECRET, TOKEN, Answer
from sqlalchemy import select

from monitor.killswitch.switches import trip
from monitor.ledger.decided import timeline

BY_PATH = {
    "slackapi": TOKEN,
    "webhook": SECRET.removeprefix("whsec_"),
    "kill": SECRET,
    "pagerduty": ROUTING_KEY,
    "alertmanager": AM_TOKEN,
}
RECEIVERS = ("slack", "bot", "hook", "pager", "am")


def test_no_secret_is_in_deliveries_the_timeline_or_the_log(ledger, config, party, capsys):
    address = config.receivers["slack"].settings["url"]

    def parrot(request):
        secret = BY_PATH.get(request.path.split("/")[1], address)
        return Answer(400, f"wrong {secret} {request.headers.get('authorization')}".encode())

    party.answer = parrot
    with ledger.begin() as conn:
        open_to(conn, config, *RECEIVERS)
        trip(conn, config.kill_switches["chat"], stream="chat-eu", reason="r", actor="ann")
    with notifying(ledger, config):
        tried = {*RECEIVERS, "chat"}
        until(lambda: tried <= {row.receiver for row in rows(ledger) if row.last_error})
    with ledger.begin() as conn:
        told = [str(row) for row in conn.execute(select(timeline))]
    written = "".join(capsys.readouterr())
    assert "wrong ***" in written
    everything = "\n".join([written, *told, *map(str, rows(ledger))])
    assert [secret for secret in (address, *BY_PATH.values()) if secret in everything] == []
