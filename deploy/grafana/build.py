"""Write dashboards/*.json, by Grafana's own types: `make dashboards`. The JSON is what Grafana loads."""

import json
import sys
from pathlib import Path
from typing import Final

# As a script, so that Grafana's folder stands by itself.
sys.path.insert(0, str(Path(__file__).parent))

import service
import streams
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FOLDER: Final = Path(__file__).parent / "dashboards"


def written() -> dict[str, str]:
    """The text of each file by its name."""
    built = {"streams": streams.dashboard(), "tocsin": service.dashboard()}
    return {
        f"{name}.json": json.dumps(board.build(), cls=JSONEncoder, indent=1) + "\n"
        for name, board in built.items()
    }


if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).write_text(text, "utf-8")
