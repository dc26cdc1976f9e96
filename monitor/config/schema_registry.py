"""`source.schema_registry`: where the schemas of a topic's messages are."""

from functools import partial

from monitor.config.model import SchemaRegistry
from monitor.config.receiver_settings import Setting, existing_file
from monitor.config.secrets import Check, any_text, outgoing, read_secret
from monitor.config.section import Section
from monitor.config.tree import Node
from monitor.config.values import flag, text

CA_FILE = Setting("ca_file", "certificates (PEM) of a private CA, beside the public ones", existing_file)


def read_registry(outer: Section, *, needed: bool) -> SchemaRegistry | None:
    """The registry of a source; None where it has none."""
    section = outer.inner("schema_registry")
    if section is None:
        return None
    check = outgoing(allow_http=section.take("allow_http", flag, False))
    found = SchemaRegistry(
        url=section.must("url", partial(_address, check=check), "", "such as https://registry.example.com"),
        username=section.take("username", text, None),
        password=read_secret(section, "password", any_text, needed=needed) or None,
        ca_file=existing_file(section, CA_FILE, needed),
    )
    if (found.username is None) != ("password" not in section and "password_file" not in section):
        section.wrong("username and password belong together", "name both, or neither")
    section.close()
    return found


def _address(node: Node, check: Check) -> str:
    return check(text(node)).rstrip("/")
