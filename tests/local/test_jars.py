"""Kafka's jars come once, whole and with the pinned hash, or a sentence says why not."""

import hashlib
import io
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from monitor.errors import DownloadFailed
from monitor.local.jars import KAFKA_VERSION, Jar, fetch_jars, locked_jars
from monitor.local.kafka import local_kafka
from monitor.local.ports import HOST, free_ports

CONTENT = b"not really a jar"


def jar(artifact):
    return Jar("com.example", artifact, "1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def repository(tmp_path):
    """A Maven repository on this machine: its folder of `com.example`, and its address by name."""
    folder = tmp_path / "repository" / "com" / "example"
    folder.mkdir(parents=True)
    web = ThreadingHTTPServer((HOST, 0), partial(Quiet, directory=str(tmp_path / "repository")))
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield folder, {"central": f"http://{HOST}:{web.server_port}"}
    web.shutdown()
    web.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    """Neither the machine's jgo settings nor its Maven repository take part."""
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))


def publish(folder, artifact, content=CONTENT):
    place = folder / artifact / "1.0"
    place.mkdir(parents=True)
    (place / f"{artifact}-1.0.jar").write_bytes(content)


def silent():
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def test_every_jar_of_kafka_is_pinned_by_version_and_hash():
    jars = locked_jars()
    assert {(each.artifact, each.version) for each in jars} >= {
        ("kafka_2.13", KAFKA_VERSION),
        ("kafka-clients", KAFKA_VERSION),
    }
    assert all(len(each.sha256) == 64 and each.size > 0 for each in jars)
    assert len({each.filename for each in jars}) == len(jars)


def test_only_missing_jars_are_fetched_and_nothing_else_is_left(tmp_path, repository):
    folder, address = repository
    publish(folder, "new")
    there = tmp_path / "jars"
    there.mkdir()
    (there / "old-1.0.jar").write_bytes(CONTENT)
    console = silent()
    fetch_jars([jar("old"), jar("new")], there, console=console, repositories=address)
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        "old-1.0.jar": CONTENT,
        "new-1.0.jar": CONTENT,
    }
    assert console.file.getvalue() == f"Fetching Apache Kafka {KAFKA_VERSION} (once): 1 jars, 0 MB\n"


def test_what_is_there_needs_no_network_and_prints_nothing(tmp_path):
    (tmp_path / "old-1.0.jar").write_bytes(CONTENT)
    console = silent()
    fetch_jars([jar("old")], tmp_path, console=console, repositories={})
    assert console.file.getvalue() == ""


def test_a_jar_of_the_machines_own_maven_repository_is_taken_if_its_hash_is_right(tmp_path):
    place = tmp_path / "m2" / "com" / "example"
    publish(place, "good")
    publish(place, "bad", b"something of a like size")
    with pytest.raises(DownloadFailed, match="1 of 2 jars are missing"):
        fetch_jars([jar("good"), jar("bad")], tmp_path / "jars", console=silent(), repositories={})
    assert [path.name for path in (tmp_path / "jars").iterdir()] == ["good-1.0.jar"]


def test_a_jar_with_another_hash_is_refused_and_not_kept(tmp_path, repository):
    folder, address = repository
    publish(folder, "new", b"was changed by someone")
    with pytest.raises(DownloadFailed, match=r"new-1\.0\.jar is not the one that kafka_jars\.lock pins"):
        fetch_jars([jar("new")], tmp_path / "jars", console=silent(), repositories=address)
    assert list((tmp_path / "jars").iterdir()) == []


def test_without_a_network_one_sentence_says_what_is_missing_and_what_to_do(tmp_path, monkeypatch, capsys):
    (dead,) = free_ports(1)
    (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = http://{HOST}:{dead}\n")
    monkeypatch.setenv("TOCSIN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DownloadFailed) as failure, local_kafka():
        pass
    count = len(locked_jars())
    place = f"{tmp_path}/cache/kafka-{KAFKA_VERSION}"
    assert str(failure.value) == (
        f"Apache Kafka {KAFKA_VERSION} cannot be fetched (ConnectionError at {HOST}:{dead}; "
        f"{count} of {count} jars are missing in {place}): connect this machine to Maven Central, or name "
        "a mirror as `central` under [repositories] in jgo's settings file, and run this again"
    )
    assert failure.value.exit_code == 3
