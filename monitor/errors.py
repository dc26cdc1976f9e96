"""Every error that Tocsin raises on purpose.

TocsinError
├── UsageError             the command line or alerts.yaml is wrong (exit 2)
│   └── ConfigError        alerts.yaml, all problems at once
├── DependencyError        Kafka, Postgres or a download refuses or cannot be reached (exit 3)
│   ├── KafkaUnavailable
│   ├── RegistryUnavailable
│   ├── TopicChanged       the topic was truncated or made anew
│   ├── LedgerUnavailable
│   ├── LedgerDenied       Postgres does not give our role a right that it needs
│   ├── SchemaMismatch     the database is too old or too new for this program
│   ├── DownloadFailed
│   └── ServerStartFailed  a local Kafka or Postgres does not come up
├── OwnershipLost          another process owns the partition now: drop its memory
├── LeaseLost              another process judges now: drop all cached state
├── CheckpointRefused      the database refuses the data itself: bisect
└── DeliveryError          a receiver did not take a message

Each class says by `retry` whether the same call can succeed later without anybody's help.
"""


class TocsinError(Exception):
    """Base of all; `str(error)` is one clear sentence for the user."""

    retry = False
    exit_code = 1


class UsageError(TocsinError):
    """The command line or a configuration is wrong."""

    exit_code = 2


def unknown_incident(incident: str) -> UsageError:
    """For the id of an incident that there is not."""
    return UsageError(f"there is no incident {incident}: `tocsin incidents` lists them")


class ConfigError(UsageError):
    """alerts.yaml cannot be used; `problems` are all of them, in the order of the file."""

    def __init__(self, problems: "list[str]") -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class DependencyError(TocsinError):
    """Something that Tocsin needs refuses or cannot be reached."""

    exit_code = 3


class KafkaUnavailable(DependencyError):
    """Kafka does not answer, or does not let us in."""

    retry = True


class RegistryUnavailable(DependencyError):
    """The schema registry does not answer."""

    retry = True


class TopicChanged(DependencyError):
    """The topic is not the one that the ledger knows, or has lost what was read."""


class LedgerUnavailable(DependencyError):
    """Postgres does not answer, or not now."""

    retry = True


class LedgerDenied(DependencyError):
    """Postgres does not give our role a right that it needs."""


class SchemaMismatch(DependencyError):
    """The database or the stored state is of another version than this program."""


class DownloadFailed(DependencyError):
    """A file from outside cannot be had."""


class ServerStartFailed(DependencyError):
    """A server that we start ourselves does not come up."""


class OwnershipLost(TocsinError):
    """Another process owns the partition now."""

    retry = True


class LeaseLost(TocsinError):
    """Another process judges now."""

    retry = True


class CheckpointRefused(TocsinError):
    """The database refuses a checkpoint's data (SQLSTATE class 22, 23, 54 or a Python data error)."""


class DeliveryError(TocsinError):
    """A receiver did not take a message; `retry_after_s` is the receiver's own wish."""

    def __init__(
        self, message: str, *, permanent: bool, retry_after_s: float | None = None, response: str = ""
    ) -> None:
        self.retry = not permanent
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.response = response
        super().__init__(message)
