"""Tables of what was decided: incidents, deliveries, silences, kill switches, objectives, configurations."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from monitor.ledger.schema import Time, metadata

# `facts` is what messages are written from. `group_id` is the incident whose page this one joined, `held_back` why
# nobody is told at the moment, `notified_at` when somebody was last told, by the ingest clock. `ended_at` is in
# event time.
incident = Table(
    "incident",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("signal", Text),
    Column("quantity", Text),
    Column("unit", Text),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("onset_at", Time, nullable=False),
    Column("detected_at", Time, nullable=False),
    Column("opened_at", Time, nullable=False, server_default=func.now()),
    Column("acknowledged_at", Time),
    Column("acknowledged_by", Text),
    Column("resolved_at", Time),
    Column("observed", Double),
    Column("reference", Double),
    Column("tolerance", Text),
    Column("at_least", Double),
    Column("guaranteed", Boolean, nullable=False),
    Column("slice_id", Integer, nullable=False, server_default="0"),
    Column("cause_field", Text),
    Column("cause_value", Text),
    Column("version", Text),
    Column("version_seen_at", Time),
    Column("affected", BigInteger),
    Column("total", BigInteger),
    Column("reference_id", BigInteger),
    Column("outcome", Text),
    Column("historical", Boolean, nullable=False, server_default="false"),
    Column("dry_run", Boolean, nullable=False, server_default="false"),
    Column("kill_switch", Text),
    Column("summary", Text, nullable=False),
    Column("config_hash", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("group_id", Text),
    Column("held_back", Text),
    Column("notified_at", Time),
    Column("ended_at", Time),
    Column("reopened", Integer, nullable=False, server_default="0"),
    Index(None, "opened_at"),
    Index("ix_incident_firing", "rule", "stream", postgresql_where="state = 'firing'"),
    Index(None, "group_id"),
)

silence = Table(
    "silence",
    metadata,
    Column("silence_id", Text, primary_key=True),
    Column("match", JSONB, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("expires_at", Time, nullable=False),
    Column("expired_by", Text),
)

timeline = Table(
    "timeline",
    metadata,
    Column("timeline_id", BigInteger, Identity(), primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("at", Time, nullable=False, server_default=func.now()),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Index(None, "incident_id", "at"),
)

# The outbox. A lane is (receiver, incident), a switch, or its topic; `position` orders it. Deliveries of a switch
# have kind `kill` and the switch's name as receiver (of its topic: `switch_topic` or `switch_mirror`, and
# `name (topic)`). `payload` is the webhook body's `data`, with `facts` for texts. `receipt` is what the receiver
# gave for it that later messages of the lane need, such as a thread.
delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("position", BigInteger, Identity(), nullable=False),
    Column("lane", Text, nullable=False),
    Column("incident_id", Text),
    Column("kill_id", Text),
    Column("receiver", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Time, nullable=False, server_default=func.now()),
    Column("next_attempt_at", Time, nullable=False, server_default=func.now()),
    Column("claimed_by", Uuid),
    Column("claimed_until", Time),
    Column("delivered_at", Time),
    Column("not_after", Time),
    Column("response", Text),
    Column("last_error", Text),
    Column("receipt", JSONB),
    Column("payload", JSONB, nullable=False),
    Index(None, "lane", "position"),
    Index(None, "incident_id"),
    Index("ix_delivery_pending", "next_attempt_at", postgresql_where="state = 'pending'"),
)

# What a receiver forgets unless it is told again, one row a lane; `taken_at` is when it last took it.
repetition = Table(
    "repetition",
    metadata,
    Column("lane", Text, primary_key=True),
    Column("delivery_id", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("due_at", Time, nullable=False),
    Column("taken_at", Time, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("claimed_by", Uuid),
)

# `value` tells the states of a switch that has one for each value of its labels; '' where it has one for all.
# `per` are those labels as they were when it last changed; null once alerts.yaml has others and it is retired.
kill_switch = Table(
    "kill_switch",
    metadata,
    Column("switch", Text, primary_key=True),
    Column("value", Text, primary_key=True, server_default=""),
    Column("stream", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("target", Text),
    Column("sequence", BigInteger, nullable=False),
    Column("since", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("incident_id", Text),
    Column("confirmed_at", Time),
    Column("share", Double),
    Column("per", ARRAY(Text)),
)

kill_event = Table(
    "kill_event",
    metadata,
    Column("kill_id", Text, primary_key=True),
    Column("switch", Text, nullable=False),
    Column("value", Text, nullable=False, server_default=""),
    Column("stream", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("target", Text),
    Column("sequence", BigInteger, nullable=False),
    Column("at", Time, nullable=False, server_default=func.now()),
    Column("reason", Text, nullable=False),
    Column("incident_id", Text),
    Column("actor", Text, nullable=False),
    Column("evidence_until", Time),
    Column("share", Double),
    Index(None, "switch", "sequence"),
)

# A row for each time that a process read its alerts.yaml.
config = Table(
    "config",
    metadata,
    Column("config_hash", Text, primary_key=True),
    Column("loaded_at", Time, primary_key=True, server_default=func.now()),
    Column("host", Text, primary_key=True),
    Column("yaml_redacted", Text, nullable=False),
)

# What is left of the error budgets of objectives: what `burning.budget_left` says, as of the last closed pane.
slo = Table(
    "slo",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("stream_id", Integer, primary_key=True),
    Column("objective", Double, nullable=False),
    Column("good", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("budget_left", Double, nullable=False),
)
