"""Asking a broker once to let us in, to say in one sentence why it does not.

kafka-python 3.0.12 keeps the reason to its own log and lets 30 s pass ("Unable to bootstrap"). A refused
password is not even there: brokers answer and close at once, and the answer is thrown away with the connection.
"""

import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from kafka.errors import (
    InvalidReceiveError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from monitor.config.model import Source

KNOCK_MS: Final = 5_000
_KEPT: Final = ("bootstrap_servers", "client_id", "security_protocol", "ssl_", "sasl_")

# OpenSSL's X509_V_ERR_* (x509_vfy.h).
_EXPIRED: Final = 10
_OTHER_NAMES: Final = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why we are not let in; not `certain` where a proxy without a broker behind it would do the same."""

    sentence: str
    certain: bool = True


def knock(source: Source, settings: Mapping[str, Any]) -> Refusal | None:
    """Try the bootstrap servers of `settings` (KafkaConsumer's); None if one lets us in, or says nothing clear."""
    kept = {key: value for key, value in settings.items() if key.startswith(_KEPT)}
    kept["request_timeout_ms"] = KNOCK_MS
    refusal = None
    with closing(NetworkSelector()) as net:
        manager = KafkaConnectionManager(net, **kept)
        try:
            for broker in manager.cluster.bootstrap_brokers():
                refusal = _asked(source, net, manager, broker)
                if refusal is None:
                    return None
        finally:
            manager.close()
    return refusal


def _asked(source: Source, net: Any, manager: Any, broker: Any) -> Refusal | None:
    opened: list[Any] = []

    async def ask() -> None:
        connection = manager.get_connection(
            broker.node_id, timeout_ms=KNOCK_MS, pop_on_close=False, refresh_metadata_on_err=False
        )
        opened.append(connection)
        await connection
        await manager.cluster.refresh_metadata(broker.node_id)

    try:
        net.run(ask)
    except (KafkaError, OSError) as error:
        where = f"Kafka at {broker.host}:{broker.port}"
        spoke = bool(opened) and opened[0].broker_version_data is not None
        return _tls_refusal(source, where, error) or _refusal(source, where, error, spoke=spoke)
    return None


def _refusal(source: Source, where: str, error: BaseException, *, spoke: bool) -> Refusal | None:
    """What `error` means; `spoke` says that the broker has answered on this connection before."""
    user, mechanism = source.client.get("sasl_plain_username"), source.client.get("sasl_mechanism")
    protocol = source.client.get("security_protocol") or "PLAINTEXT"
    if isinstance(error, UnsupportedSaslMechanismError):
        return Refusal(f"{where} does not take sasl_mechanism {mechanism}: use one that is enabled there")
    if isinstance(error, SaslAuthenticationFailedError) or (spoke and "SASL" in str(protocol)):
        return Refusal(
            f"{where} does not let user {user} in by {mechanism}: check sasl_plain_username, "
            "sasl_plain_password and sasl_mechanism"
        )
    if spoke or isinstance(error, InvalidReceiveError):
        return Refusal(
            f"{where} does not go on with a client whose security_protocol is {protocol}: set it to what "
            "this listener speaks (SSL, SASL_SSL, SASL_PLAINTEXT or PLAINTEXT)"
        )
    return None


def _tls_refusal(source: Source, where: str, error: BaseException) -> Refusal | None:
    found = _tls_error(error)
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        return Refusal(f"{where} {_unverified(source, found)}")
    said, ours = str(found), source.client.get("ssl_certfile")
    if "EOF" in said or "WRONG_VERSION" in said or "RECORD_LAYER" in said:
        protocol = source.client.get("security_protocol")
        return Refusal(
            f"{where} does not speak TLS, but security_protocol is {protocol}: correct it, or the port in "
            "bootstrap_servers",
            certain="EOF" not in said,
        )
    if "ALERT" not in said:
        return Refusal(
            f"no TLS connection to {where} ({found.reason}): check ssl_cafile, ssl_certfile, ssl_keyfile and "
            "ssl_password"
        )
    if ours is None:
        return Refusal(f"{where} wants a client certificate: set ssl_certfile and ssl_keyfile")
    return Refusal(
        f"{where} refuses the client certificate {ours}: it has expired, or the broker does not trust who signed "
        f"it (`openssl x509 -noout -dates -issuer -in {ours}` shows both)"
    )


def _unverified(source: Source, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return (
            "shows a certificate that has expired: renew it on the broker (or this machine's clock is wrong)"
        )
    if error.verify_code in _OTHER_NAMES:
        return (
            "shows a certificate for another name: use a name in bootstrap_servers that the certificate has, or "
            "have one made for this name"
        )
    trusted = source.client.get("ssl_cafile") or "this system's list of CAs"
    return (
        f"shows a certificate that nobody in {trusted} has signed ({error.verify_message}): set ssl_cafile to "
        "the CA that signed it"
    )


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS itself: `error`, its context or its argument."""
    candidates = (error, error.__context__, *error.args)
    return next((found for found in candidates if isinstance(found, ssl.SSLError)), None)
