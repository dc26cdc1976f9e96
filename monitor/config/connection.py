"""A connection to Kafka, of sources and of what is written: servers, security_*, sasl_* and ssl_*, as kafka-python."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Final

from monitor.config.problem import WrongError
from monitor.config.secrets import any_text, read_secret
from monitor.config.section import NOT_YET, Section, each
from monitor.config.tree import Node
from monitor.config.values import file_path, flag, one_of, scalar, text, written

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
LATER: Final = "OAUTHBEARER"
"""A mechanism that is not supported yet."""
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", LATER, "AWS_MSK_IAM")
NAMES: Final[Mapping[str, str]] = {
    "sasl_plain_username": "the user, of PLAIN and SCRAM",
    "sasl_kerberos_name": "the broker's principal, of GSSAPI; instead of service and domain",
    "sasl_kerberos_service_name": "the broker's service, of GSSAPI; left out, kafka",
    "sasl_kerberos_domain_name": "the broker's host, of GSSAPI; left out, the server that is called",
    "ssl_ciphers": "ciphers that may be used, as a list of OpenSSL's",
}
FILES: Final[Mapping[str, str]] = {
    "ssl_cafile": "a file with the certificates (PEM) that the broker's must be signed by",
    "ssl_certfile": "a file with Tocsin's own certificate (PEM), and those between it and the CA",
    "ssl_keyfile": "a file with the private key of that certificate",
    "ssl_crlfile": "a file with certificates that are revoked",
}
SECRETS: Final[Mapping[str, str]] = {
    "sasl_plain_password": "the password, of PLAIN and SCRAM",
    "ssl_password": "the password of the private key's file",
}
"""Settings of a connection with what they are."""

PACKAGES: Final[Mapping[str, str]] = {"GSSAPI": "gssapi", "AWS_MSK_IAM": "botocore"}
WITH_PASSWORD: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def servers(section: Section, node: Node) -> str:
    """One text of host:port with commas, from that or from a list."""
    found = each(node, _server_list, section.report)
    return ",".join(found)


def _server_list(node: Node) -> str:
    servers = [part.strip() for part in text(node).split(",")]
    for server in servers:
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", server)
        if match is None or int(match[2] or 9092) not in range(1, 65_536):
            raise WrongError(
                f"{written(scalar(node))} is not host:port", "such as localhost:9092, several with commas"
            )
    return ",".join(servers)


def kafka_name(node: Node) -> str:
    """A name that Kafka takes for a topic or group."""
    name = text(node)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or name in (".", ".."):
        raise WrongError(
            f"{written(scalar(node))} cannot be a name in Kafka", "letters, digits, `.`, `_` and `-`"
        )
    return name


def read_client(section: Section, *, needed: bool) -> dict[str, str | bool]:
    """The settings of a connection to Kafka: security_*, sasl_* and ssl_*."""
    path = partial(file_path, needed=needed)
    readers: dict[str, Callable[[Node], str | bool]] = {
        "security_protocol": one_of(*PROTOCOLS),
        "sasl_mechanism": one_of(*MECHANISMS),
        "ssl_check_hostname": flag,
        **dict.fromkeys(NAMES, text),
        **dict.fromkeys(FILES, path),
    }
    taken = {key: section.take(key, read, None) for key, read in readers.items()}
    client = {key: value for key, value in taken.items() if value is not None}
    for key in SECRETS:
        secret = read_secret(section, key, any_text, needed=needed)
        if secret:
            client[key] = secret
    _objects(section)
    _fitting(section, str(client.get("security_protocol", "PLAINTEXT")))
    _installed(section, str(client.get("sasl_mechanism", "")), needed=needed)
    return client


def _installed(section: Section, mechanism: str, *, needed: bool) -> None:
    """A mechanism that kafka-python leaves to another package, which `check` may run without."""
    package = PACKAGES.get(mechanism)
    if package is not None and find_spec(package) is None:
        tell = section.wrong if needed else section.unwise
        tell(
            f"{mechanism} needs the package {package}, which is not installed here",
            f"pip install {package}",
            at="sasl_mechanism",
        )


def _objects(section: Section) -> None:
    for key in ("ssl_context", "sasl_oauth_token_provider"):
        section.asked.add(key)
        if key in section:
            section.wrong(f"{key} is an object of Python, which no file can give", "remove it", at=key)


def _fitting(section: Section, protocol: str) -> None:
    """Settings without effect, and credentials that are missing (kafka-python accepts empty ones)."""
    for prefix, part in (("sasl_", "SASL"), ("ssl_", "SSL")):
        idle = [key for key in section.node.values if key.startswith(prefix) and key in section.asked]
        if idle and part not in protocol:
            wanted = "SASL_SSL" if prefix == "sasl_" else "SSL or SASL_SSL"
            section.wrong(
                f"{idle[0]} has no effect with {protocol}", f"set security_protocol: {wanted}", at=idle[0]
            )
    if protocol.startswith("SASL") and "sasl_mechanism" not in section:
        section.wrong(f"{protocol} needs sasl_mechanism", "such as SCRAM-SHA-512", at="security_protocol")
    mechanism = section.node.values.get("sasl_mechanism")
    name = getattr(mechanism, "text", "")
    if name == LATER:
        section.wrong(f"{LATER} {NOT_YET}", "use SCRAM-SHA-512, PLAIN or certificates", at="sasl_mechanism")
    if name in WITH_PASSWORD and protocol.startswith("SASL"):
        _credentials(section, name)


def _credentials(section: Section, mechanism: str) -> None:
    if "sasl_plain_username" not in section:
        section.wrong(f"{mechanism} needs sasl_plain_username", at="sasl_mechanism")
    if "sasl_plain_password" not in section and "sasl_plain_password_file" not in section:
        section.wrong(
            f"{mechanism} needs sasl_plain_password or sasl_plain_password_file", at="sasl_mechanism"
        )
