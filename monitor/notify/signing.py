"""Standard Webhooks 1.0.0: sign a body so that its receiver can tell that it is ours and new."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from hmac import new as hmac
from typing import Final

from monitor.errors import UsageError

PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key in `secret`, base64 of 24 to 64 bytes with or without `whsec_`; else UsageError."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise UsageError("a webhook's secret must be `whsec_` and the base64 of 24 to 64 random bytes")
    return key


def sign(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The signature of `id.timestamp.body`, as `v1,<base64>`."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + b64encode(hmac(key, signed, sha256).digest()).decode()


def signed_headers(secret: str | None, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt; several secrets apart by spaces sign once each, None does not sign."""
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s)}
    signatures = [sign(key_of(each), message_id, timestamp_s, body) for each in (secret or "").split()]
    return headers | ({"webhook-signature": " ".join(signatures)} if signatures else {})
