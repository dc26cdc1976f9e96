"""One broker with every way in: plain for the tests themselves, TLS, and SASL, behind access control lists."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from monitor.local.kafka import KafkaServer, local_kafka
from monitor.local.ports import HOST, free_ports

PASSWORD = "wonderland"
PLAIN_LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'user_alice="wonderland" user_hatter="wonderland" user_hare="wonderland" '
    'user_dormouse="wonderland";'
)
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
LISTENERS = {
    "PLAIN": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "TLS": "SSL",
    "SASL": "SASL_SSL",
    "EXPIRED": "SSL",
    "ELSEWHERE": "SSL",
}

READ_TOPIC = (ResourceType.TOPIC, ACLOperation.READ)
DESCRIBE_TOPIC = (ResourceType.TOPIC, ACLOperation.DESCRIBE)
READ_GROUP = (ResourceType.GROUP, ACLOperation.READ)
RIGHTS = {
    "alice": (READ_TOPIC, READ_GROUP),
    "tocsin": (READ_TOPIC, READ_GROUP),
    "hatter": (READ_GROUP,),
    "dormouse": (DESCRIBE_TOPIC, READ_GROUP),
    "hare": (READ_TOPIC,),
}


@dataclass(frozen=True, slots=True)
class Secured:
    """The broker's listeners by name, and the files of a client."""

    server: KafkaServer
    listeners: Mapping[str, str]
    folder: Path

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def tls(self, listener: str = "TLS", *, ca: str = "ca", client: str | None = "client") -> dict[str, str]:
        """Keys of `source` for certificates."""
        files = {"ssl_certfile": self.file(client), "ssl_keyfile": self.file(client)} if client else {}
        return {
            "bootstrap_servers": self.listeners[listener],
            "security_protocol": "SSL",
            "ssl_cafile": self.file(ca),
            **files,
        }

    def sasl(self, mechanism: str, user: str = "alice", password: str = PASSWORD) -> dict[str, str]:
        """Keys of `source` for a password."""
        return {
            "bootstrap_servers": self.listeners["SASL"],
            "security_protocol": "SASL_SSL",
            "ssl_cafile": self.file("ca"),
            "sasl_mechanism": mechanism,
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }

    def admin(self) -> "closing[KafkaAdminClient]":
        return closing(KafkaAdminClient(bootstrap_servers=self.listeners["PLAIN"]))

    def topic(self, name: str) -> str:
        with self.admin() as admin:
            admin.create_topics(
                {name: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True
            )
        return name


@contextmanager
def secured_kafka(folder: Path) -> Iterator[Secured]:
    """The broker, with the users of `RIGHTS`: `tocsin` by its certificate, the others by their password."""
    _certificates(folder)
    ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
    with local_kafka(properties=_properties(folder, ports), port=ports["PLAIN"]) as server:
        secured = Secured(server, {name: f"{HOST}:{port}" for name, port in ports.items()}, folder)
        _let_in(secured)
        yield secured


def _certificates(folder: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    past = datetime.now(UTC) - timedelta(days=2)
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    other.cert_pem.write_to_path(str(folder / "another-ca.pem"))
    for name, made in {
        "broker": ca.issue_cert(HOST),
        "expired": ca.issue_cert(HOST, not_before=past - timedelta(days=9), not_after=past),
        "elsewhere": ca.issue_cert("kafka.elsewhere.example"),
        "client": ca.issue_cert("tocsin@example.org", common_name="tocsin"),
        "client-of-nobody": other.issue_cert("tocsin@example.org", common_name="tocsin"),
        "client-expired": ca.issue_cert(
            "tocsin@example.org", common_name="tocsin", not_before=past - timedelta(days=9), not_after=past
        ),
    }.items():
        key = load_pem_private_key(made.private_key_pem.bytes(), None)
        pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(pkcs8 + chain)


def _properties(folder: Path, ports: Mapping[str, int]) -> dict[str, str]:
    at = {name: f"{name}://{HOST}:{port}" for name, port in ports.items()}
    keystores = {"TLS": "broker", "SASL": "broker", "EXPIRED": "expired", "ELSEWHERE": "elsewhere"}
    stores = {}
    for listener, name in keystores.items():
        prefix = f"listener.name.{listener.lower()}.ssl"
        stores |= {
            f"{prefix}.keystore.type": "PEM",
            f"{prefix}.keystore.location": str(folder / f"{name}.pem"),
            f"{prefix}.truststore.type": "PEM",
            f"{prefix}.truststore.location": str(folder / "ca.pem"),
            f"{prefix}.client.auth": "required" if listener == "TLS" else "none",
        }
    return {
        "listeners": ",".join(at.values()),
        "advertised.listeners": ",".join(where for name, where in at.items() if name != "CONTROLLER"),
        "controller.quorum.voters": f"1@{HOST}:{ports['CONTROLLER']}",
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in LISTENERS.items()),
        "inter.broker.listener.name": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.sasl.plain.sasl.jaas.config": PLAIN_LOGIN,
        "listener.name.sasl.scram-sha-256.sasl.jaas.config": SCRAM_LOGIN,
        "listener.name.sasl.scram-sha-512.sasl.jaas.config": SCRAM_LOGIN,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.tls.ssl.principal.mapping.rules": r"RULE:^.*CN=([a-z]+).*$/$1/",
        "connection.failed.authentication.delay.ms": "1",
        **stores,
    }


def _let_in(secured: Secured) -> None:
    with secured.admin() as admin:
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            alice = UserScramCredentialUpsertion("alice", mechanism, PASSWORD, iterations=4096)
            assert admin.alter_user_scram_credentials([alice]) == {"alice": None}
        rights = [
            ACL(f"User:{who}", "*", what, ACLPermissionType.ALLOW, ResourcePattern(kind, "*"))
            for who, granted in RIGHTS.items()
            for kind, what in granted
        ]
        assert admin.create_acls(rights)["failed"] == []
