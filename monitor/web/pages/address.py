"""Where the pages are."""

from urllib.parse import quote


def incident_page(incident_id: str) -> str:
    """The page of an incident."""
    return f"/incidents/{quote(incident_id, safe='')}"


def stream_page(name: str) -> str:
    """The page of a stream."""
    return f"/streams/{quote(name, safe='')}"


def plot_of(name: str, signal: str, size: str) -> str:
    """A signal of a stream over time, as a picture."""
    return f"/charts/{quote(name, safe='')}/{quote(signal, safe='')}.svg?size={size}"
