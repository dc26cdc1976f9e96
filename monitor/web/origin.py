"""Which site a request comes from. Browsers say it themselves; no page can make them say otherwise."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

FOREIGN: Final = (
    "this form was not sent by a page of this server, so nothing was done: open the page again and repeat"
)


def is_foreign(request: Request) -> bool:
    """Whether a request that changes something was not made by a page of ours.

    `Sec-Fetch-Site` decides where it is sent (https, and this machine), else `Origin` must be the host that was asked.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site != "same-origin"
    asked = {request.headers.get("host", "").lower(), request.headers.get("x-forwarded-host", "").lower()}
    return urlsplit(request.headers.get("origin", "")).netloc.lower() not in asked - {""}


def is_local(request: Request) -> bool:
    """Whether it was asked by a name of this machine: another that resolves to it is a trick of DNS."""
    host = request.url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
