"""A broker that wants credentials: the right ones work, wrong ones end with one sentence (hazard 7)."""

import gc
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from ingest_bench import Bench, bench_of, records, until
from secured_kafka import PASSWORD, Secured, secured_kafka

from monitor.config.loading import load
from monitor.errors import KafkaUnavailable, TocsinError
from monitor.ingest import client

# kafka-python 3.0.12 leaves the sockets of connections that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

RUN = (sys.executable, "-m", "monitor.cli", "run", "-c")
Settings = Callable[[Secured], dict[str, str]]


@pytest.fixture(autouse=True)
def knocking_twice_takes_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_S", 0.05)


@pytest.fixture(autouse=True)
def failed_connections_end_with_their_test() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_kafka(tmp_path_factory.mktemp("secured")) as secured:
        secured.topic("t")
        yield secured


@pytest.fixture
def bench(secured: Secured, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(secured.listeners["PLAIN"], ledger_url, tmp_path) as made:
        yield made


def failure(bench: Bench, source: dict[str, str], topic: str = "t") -> TocsinError:
    with bench.ingesting(topic, source=source) as ingest:
        found: TocsinError = until(ingest.failure)
    return found


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(lambda s: s.tls(), id="a client certificate"),
        pytest.param(lambda s: s.sasl("PLAIN"), id="PLAIN"),
        pytest.param(lambda s: s.sasl("SCRAM-SHA-256"), id="SCRAM-SHA-256"),
        pytest.param(lambda s: s.sasl("SCRAM-SHA-512"), id="SCRAM-SHA-512"),
    ],
)
def test_with_the_right_credentials_records_are_counted(
    secured: Secured, bench: Bench, settings: Settings
) -> None:
    bench.produce("t", records(100))
    with bench.ingesting("t", source=settings(secured)):
        until(lambda: bench.accounted() >= 100)


REFUSED = {
    "wrong password, PLAIN": (
        lambda s: s.sasl("PLAIN", password="looking-glass"),
        "Kafka at {SASL} does not let user alice in by PLAIN: check sasl_plain_username, sasl_plain_password",
    ),
    "wrong password, SCRAM": (
        lambda s: s.sasl("SCRAM-SHA-512", password="looking-glass"),
        "Kafka at {SASL} does not let user alice in by SCRAM-SHA-512: check sasl_plain_username,",
    ),
    "unknown user": (
        lambda s: s.sasl("SCRAM-SHA-256", user="queen"),
        "Kafka at {SASL} does not let user queen in by SCRAM-SHA-256: check sasl_plain_username,",
    ),
    "certificate where a password is wanted": (
        lambda s: s.tls("SASL"),
        "Kafka at {SASL} does not go on with a client whose security_protocol is SSL: set it to what this",
    ),
    "unknown CA": (
        lambda s: s.tls(ca="another-ca"),
        "Kafka at {TLS} shows a certificate that nobody in {folder}/another-ca.pem has signed",
    ),
    "expired certificate": (
        lambda s: s.tls("EXPIRED"),
        "Kafka at {EXPIRED} shows a certificate that has expired: renew it on the broker",
    ),
    "another host's certificate": (
        lambda s: s.tls("ELSEWHERE"),
        "Kafka at {ELSEWHERE} shows a certificate for another name: use a name in bootstrap_servers that",
    ),
    "no client certificate": (
        lambda s: s.tls(client=None),
        "Kafka at {TLS} wants a client certificate: set ssl_certfile and ssl_keyfile",
    ),
    "expired client certificate": (
        lambda s: s.tls(client="client-expired"),
        "Kafka at {TLS} refuses the client certificate {folder}/client-expired.pem: it has expired, or",
    ),
    "client certificate of another CA": (
        lambda s: s.tls(client="client-of-nobody"),
        "Kafka at {TLS} refuses the client certificate {folder}/client-of-nobody.pem: it has expired, or",
    ),
    "key of another certificate": (
        lambda s: s.tls() | {"ssl_keyfile": s.file("client-expired")},
        "no TLS connection to Kafka at {TLS} (KEY_VALUES_MISMATCH): check ssl_cafile, ssl_certfile, ssl_keyfile and",
    ),
    "topic denied": (
        lambda s: s.sasl("PLAIN", user="dormouse"),
        "Kafka at {SASL} denies topic t to user dormouse: grant Read on it (TopicAuthorizationFailedError)",
    ),
    "topic hidden": (
        lambda s: s.sasl("PLAIN", user="hatter"),
        "Kafka at {SASL} denies topic t to user hatter: grant Read on it (TopicAuthorizationFailedError)",
    ),
    "group denied": (
        lambda s: s.sasl("PLAIN", user="hare"),
        "Kafka at {SASL} denies group t to user hare: grant Read on it (GroupAuthorizationFailedError)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_refuses_us_is_one_sentence_that_says_where_and_what_to_do(
    secured: Secured, bench: Bench, case: str
) -> None:
    settings, sentence = REFUSED[case]
    found = failure(bench, settings(secured))
    assert isinstance(found, KafkaUnavailable)
    assert found.exit_code == 3
    assert str(found).startswith(sentence.format(folder=secured.folder, **secured.listeners))
    assert "\n" not in str(found)
    assert not any(secret in str(found) for secret in ("looking-glass", PASSWORD))


def test_who_was_let_in_before_keeps_trying_and_says_why(secured: Secured, bench: Bench) -> None:
    source = load(bench.alerts("t", **secured.tls("EXPIRED")), environ={}).source
    stopping, reasons = Event(), list[str]()

    def unreachable(reason: str) -> None:
        reasons.append(reason)
        if len(reasons) == 3:
            stopping.set()

    assert client.connect(source, None, stopping, unreachable, patient=True) is None
    assert all("a certificate that has expired" in reason for reason in reasons)


def test_run_reads_the_password_from_a_file_and_exits_with_3_when_it_is_wrong(
    secured: Secured, bench: Bench
) -> None:
    bench.produce("t", records(10))
    settings = secured.sasl("SCRAM-SHA-512")
    del settings["sasl_plain_password"]
    password = bench.folder / "password"
    alerts = bench.alerts("t", **settings, sasl_plain_password_file=str(password))
    alerts.write_text(alerts.read_text() + "http: {port: 0}\n")

    password.write_text("looking-glass\n")
    left = subprocess.run([*RUN, str(alerts)], capture_output=True, text=True, timeout=60, check=False)
    assert left.returncode == 3
    assert (
        "does not let user alice in by SCRAM-SHA-512: check sasl_plain_username"
        in left.stderr.splitlines()[-1]
    )
    assert "looking-glass" not in left.stdout + left.stderr

    password.write_text(f"{PASSWORD}\n")
    with subprocess.Popen(
        [*RUN, str(alerts)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        until(lambda: bench.accounted() >= 10)
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
