"""From a Kafka topic to checkpoints in the ledger, each record exactly once."""

from monitor.ingest.service import Ingest as Ingest
from monitor.ingest.status import IngestStatus as IngestStatus
from monitor.ingest.status import PartitionStatus as PartitionStatus
