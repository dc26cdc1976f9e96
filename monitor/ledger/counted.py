"""Tables of what was counted and how far: partitions, checkpoints, streams, panes, references, samples, marks."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from monitor.ledger.schema import Time, metadata

# A partition of a topic as ingest knows it; `next_offset` is null until somebody owned it. `seq` numbers its
# checkpoints without a gap: it moves only in the compare-and-set that moves the offset.
topic_partition = Table(
    "topic_partition",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("owner", Uuid),
    Column("next_offset", BigInteger),
    Column("seq", BigInteger, nullable=False, server_default="0"),
    Column("counted", BigInteger, nullable=False, server_default="0"),
    Column("skipped", BigInteger, nullable=False, server_default="0"),
    Column("max_event_ms", BigInteger),
    Column("max_kafka_ms", BigInteger),
    Column("end_offset", BigInteger),
    Column("caught_up", Boolean, nullable=False, server_default="false"),
    Column("listed_at", Time, nullable=False, server_default=func.now()),
    Column("updated_at", Time, nullable=False, server_default=func.now()),
)

# Partitioned by hour of `at`. `clock_ms` is the ingest clock when it was made, `last_record_ms` that clock
# when the newest record came; a checkpoint without data has from_offset = next_offset and no deltas.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Time, primary_key=True, server_default=func.now()),
    Column("from_offset", BigInteger, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("max_event_ms", BigInteger),
    Column("max_kafka_ms", BigInteger),
    Column("last_record_ms", BigInteger),
    Column("clock_ms", BigInteger, nullable=False),
    Column("caught_up", Boolean, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("deltas", LargeBinary),
    postgresql_partition_by="RANGE (at)",
)

judge_cursor = Table(
    "judge_cursor",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("judged_offset", BigInteger, nullable=False),
    Column("watermark_ms", BigInteger),
)

# One row, id 1. `min_state_version` and `generation` keep older replicas from campaigning.
judge_lease = Table(
    "judge_lease",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Uuid),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("expires_at", Time, nullable=False, server_default=func.now()),
    Column("min_state_version", Integer, nullable=False, server_default="1"),
    Column("generation", BigInteger, nullable=False, server_default="0"),
)

judge_state = Table(
    "judge_state",
    metadata,
    Column("part", Text, primary_key=True),
    Column("state_version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("updated_at", Time, nullable=False, server_default=func.now()),
)

# Stream 0 is `(other)`, made by the first migration. `seen_at` is the database's clock, written now and then:
# an id not seen for long frees its place (as in slice and category). First and last seen are event time.
stream = Table(
    "stream",
    metadata,
    Column("stream_id", Integer, Identity(start=1), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("labels", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="learning"),
    Column("first_seen", Time),
    Column("last_seen", Time),
    Column("reference_id", BigInteger),
    Column("learned", BigInteger, nullable=False, server_default="0"),
    Column("needed", BigInteger, nullable=False, server_default="0"),
    Column("admitted_at", Time, nullable=False, server_default=func.now()),
    Column("seen_at", Time, nullable=False, server_default=func.now()),
)

# slice 0, the whole stream, has no row.
slice_ = Table(
    "slice",
    metadata,
    Column("slice_id", Integer, Identity(start=1), primary_key=True),
    Column("stream_id", Integer, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("seen_at", Time, nullable=False, server_default=func.now()),
    UniqueConstraint("stream_id", "field", "value"),
    ForeignKeyConstraint(["stream_id"], ["tocsin_ledger.stream.stream_id"]),
)

# Ids 0 (unknown) and 1 (other) have no row.
category = Table(
    "category",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("signal", SmallInteger, primary_key=True, autoincrement=False),
    Column("category_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("seen_at", Time, nullable=False, server_default=func.now()),
    UniqueConstraint("stream_id", "signal", "name"),
)

# Partitioned by how many seconds a row holds (10, 300, 3600: `rolling` makes finer rows into coarser ones) and then by
# `pane_start`. A row of 10 s never changes once its evidence pane has closed. `buckets` ascends, `n` is the sum of
# `counts`. What came late has a later `evidence_start`.
pane = Table(
    "pane",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("signal", SmallInteger, primary_key=True, autoincrement=False),
    Column("slice_id", Integer, primary_key=True, autoincrement=False),
    Column("pane_start", Time, primary_key=True),
    Column("evidence_start", Time, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("total", Double),
    Column("buckets", ARRAY(Integer), nullable=False),
    Column("counts", ARRAY(BigInteger), nullable=False),
    Column("step_s", SmallInteger, primary_key=True, autoincrement=False, server_default="10"),
    Index(None, "evidence_start"),
    postgresql_partition_by="LIST (step_s)",
)

version = Table(
    "version",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, primary_key=True),
    Column("slice_id", Integer, nullable=False),
    Column("first_seen", Time, nullable=False),
    Column("last_seen", Time, nullable=False),
    Column("n", BigInteger, nullable=False),
)

# `pane_rates` are sums of count/n over `panes` panes, by bucket, and `panes_inverse` of 1/n; empty and 0 without panes.
# `held_from` is in event time: the judge has held against it from there on; NULL until it has.
reference = Table(
    "reference",
    metadata,
    Column("reference_id", BigInteger, primary_key=True, autoincrement=False),
    Column("stream_id", Integer, nullable=False),
    Column("signal", SmallInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("learned_from", Time, nullable=False),
    Column("learned_until", Time, nullable=False),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("retired_at", Time),
    Column("held_from", Time),
    Column("note", Text, nullable=False, server_default=""),
    Column("block_s", Integer),
    Column("phi", Double, nullable=False, server_default=text("1")),
    Column("rho", Double, nullable=False, server_default=text("0")),
    Column("buckets", ARRAY(Integer), nullable=False),
    Column("counts", ARRAY(BigInteger), nullable=False),
    Column("pane_rates", ARRAY(Double), nullable=False, server_default="{}"),
    Column("panes", Double, nullable=False, server_default=text("0")),
    Column("panes_inverse", Double, nullable=False, server_default=text("0")),
    Index(None, "stream_id", "signal"),
)

# What a reference holds of the hours of the week, Monday 00:00 UTC first, if it is kept by hour.
reference_hour = Table(
    "reference_hour",
    metadata,
    Column("reference_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", SmallInteger, primary_key=True, autoincrement=False),
    Column("buckets", ARRAY(Integer), nullable=False),
    Column("counts", ARRAY(BigInteger), nullable=False),
    Column("pane_rates", ARRAY(Double), nullable=False),
    Column("panes", Double, nullable=False),
    Column("panes_inverse", Double, nullable=False),
    ForeignKeyConstraint(["reference_id"], ["tocsin_ledger.reference.reference_id"]),
)

# Partitioned by day of `kept_at`. `sample_id` is a hash of topic id, partition and offset: a record is kept once.
# `signals` is what was measured of it; `incident_id` is set once, by `attaching`.
sample = Table(
    "sample",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("kafka_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("why", Text, primary_key=True),
    Column("kept_at", Time, primary_key=True, server_default=func.now()),
    Column("topic", Text, nullable=False),
    Column("stream_id", Integer, nullable=False),
    Column("at", Time, nullable=False),
    Column("record_id", Text),
    Column("trace_id", Text),
    Column("version", Text),
    Column("incident_id", Text),
    Column("signal", Text),
    Column("record", Text, nullable=False),
    Column("sample_id", Text, nullable=False),
    Column("signals", JSONB, nullable=False, server_default="{}"),
    Index(None, "stream_id", "at"),
    Index(None, "sample_id"),
    Index(None, "kept_at"),
    Index("ix_sample_incident_id", "incident_id", postgresql_where=text("incident_id IS NOT NULL")),
    postgresql_partition_by="RANGE (kept_at)",
)

# Only added to: the newest row of a sample is its mark, the first one has `counted` as a label.
mark = Table(
    "mark",
    metadata,
    Column("mark_id", BigInteger, Identity(), primary_key=True),
    Column("sample_id", Text, nullable=False),
    Column("stream_id", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("author", Text, nullable=False),
    Column("at", Time, nullable=False, server_default=func.now()),
    Column("counted", Boolean, nullable=False),
    Index(None, "sample_id", "mark_id"),
    Index("ix_mark_counted", "sample_id", unique=True, postgresql_where=text("counted")),
)

# One row, id 1: `seq` numbers the checkpoints of marks without a gap, as that of a partition does.
review = Table(
    "review",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False, server_default="0"),
)

# With `which` not all from first to last were skipped: it has a bit for each offset, the lowest first.
skipped_range = Table(
    "skipped_range",
    metadata,
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("last_offset", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", Time, nullable=False, server_default=func.now()),
    Column("which", LargeBinary),
)

lag = Table(
    "lag",
    metadata,
    Column("at", Time, primary_key=True, server_default=func.now()),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("lag", BigInteger, nullable=False),
    Column("watermark_age_s", Double),
)

# The registry of signals, written again by every `db upgrade`; SQL functions read it.
signal = Table(
    "signal",
    metadata,
    Column("code", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("scale", Text),
)
