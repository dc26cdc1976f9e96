"""A notifier in a process of its own that stands still once between claim and send, as under SIGSTOP.

`python stalled_notifier.py DATABASE_URL ALERTS_YAML LEASE_S`
"""

import os
import signal
import sys
import threading
import time

from notify_parties import QUICK

from monitor.config.loading import load
from monitor.ledger.engine import connect
from monitor.notify.senders import Senders
from monitor.notify.worker import Notifier

send = Senders.send
stood_still = threading.Event()


def stand_still_then_send(senders, delivery):
    if not stood_still.is_set():
        stood_still.set()
        print("claimed", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        # The signal may reach another thread first: this one must not be past the sending by then.
        time.sleep(0.5)
    return send(senders, delivery)


if __name__ == "__main__":
    url, alerts_yaml, lease_s = sys.argv[1:]
    Senders.send = stand_still_then_send
    notifier = Notifier(
        connect(url),
        load(alerts_yaml, environ={}),
        incidents=QUICK,
        kills=QUICK,
        poll_s=0.05,
        lease_s=float(lease_s),
    )
    notifier.start()
    signal.sigwait({signal.SIGTERM})
