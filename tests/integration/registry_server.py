"""A small server of the schema registry's documented HTTP protocol, with the schemas of records/schemas/framed.json.

No registry server is on PyPI or whole on Maven Central, so this stands in for one.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

FRAMED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "records" / "schemas" / "framed.json").read_text()
)


def message(name: str) -> bytes:
    """A framed message."""
    return bytes.fromhex(FRAMED["messages"][name])


@dataclass
class RegistryServer:
    """`trouble` is what it answers instead of what it knows; `asked` are the paths so far; `login` it wants."""

    url: str = ""
    trouble: tuple[int, str] | None = None
    asked: list[str] = field(default_factory=list)
    login: tuple[str, str] | None = None

    def answer(self, target: str, authorization: str | None) -> tuple[int, str]:
        self.asked.append(target)
        if (
            self.login
            and authorization != f"Basic {base64.b64encode(':'.join(self.login).encode()).decode()}"
        ):
            return 401, json.dumps({"error_code": 401, "message": "Unauthorized"})
        if self.trouble:
            return self.trouble
        parts = urlsplit(target)
        serialized = parse_qs(parts.query).get("format") == ["serialized"]
        match parts.path.strip("/").split("/"):
            case ["schemas", "ids", number]:
                return self._schema(FRAMED["schemas"].get(number), 40403, "Schema not found", serialized)
            case ["subjects", subject, "versions", version]:
                found = FRAMED["versions"].get(f"{unquote(subject)}/{version}")
                return self._schema(found, 40402, "Version not found.", serialized)
        return 404, "<html>not found</html>"

    def _schema(self, found: dict[str, Any] | None, code: int, why: str, serialized: bool) -> tuple[int, str]:
        if found is None:
            return 404, json.dumps({"error_code": code, "message": why})
        if found.get("schemaType") == "PROTOBUF" and not serialized:
            found = found | {"schema": 'syntax = "proto3"; // the text of the file'}
        return 200, json.dumps(found)


@contextmanager
def registry_server() -> Iterator[RegistryServer]:
    """A registry that runs for the length of the block."""
    registry = RegistryServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = registry.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
