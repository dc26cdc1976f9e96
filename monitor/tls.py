"""Whom an HTTPS client trusts."""

import ssl
from functools import cache

import httpx

from monitor.errors import UsageError


@cache
def tls(ca_file: str | None = None) -> ssl.SSLContext:
    """A context that verifies, by the public CAs and those in `ca_file`; raises UsageError for a wrong file."""
    context = httpx.create_ssl_context()
    try:
        if ca_file is not None:
            context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"ca_file holds no certificates that can be read: {error.strerror or error}"
        ) from error
    return context
