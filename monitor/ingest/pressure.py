"""Memory is bounded while Postgres is slow or away: over the limit nothing is read. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Pressure:
    """Above `limit` bytes reading stops, below half of it it goes on."""

    limit: int
    full: bool = False

    def update(self, weight: int) -> bool:
        """Take note of the bytes in use; whether to read nothing for now."""
        self.full = weight > self.limit // 2 if self.full else weight > self.limit
        return self.full
