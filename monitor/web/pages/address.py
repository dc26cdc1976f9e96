"""Where the pages are."""

from urllib.parse import quote, urlencode

from monitor.config.matchers import exact, written


def incident_page(incident_id: str) -> str:
    """The page of an incident."""
    return f"/incidents/{quote(incident_id, safe='')}"


def incidents_page(**filters: str) -> str:
    """The incidents that have all of this."""
    return f"/incidents?{urlencode(filters)}" if filters else "/incidents"


def stream_page(name: str) -> str:
    """The page of a stream."""
    return f"/streams/{quote(name, safe='')}"


def plot_of(name: str, signal: str, size: str) -> str:
    """A signal of a stream over time, as a picture."""
    return f"/charts/{quote(name, safe='')}/{quote(signal, safe='')}.svg?size={size}"


def silence_page(**words: str) -> str:
    """The form to silence what has exactly these labels, rule or stream."""
    match = written({word: exact(value) for word, value in words.items()})
    return f"/silences/add?match={quote(match, safe='')}"
