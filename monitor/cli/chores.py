"""Small rows that are written by the clock."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import insert

from monitor.config.model import Config
from monitor.ingest.internal import OFFSETS_LOST, WENT_BACK
from monitor.ledger import announcements
from monitor.ledger.decided import config as config_table

CONFIG_REFUSED: Final = "tocsin.config_refused"
EVENTS_LAST: Final = timedelta(hours=1)

# One row a minute and partition, whichever replica comes first.
_LAG: Final = text("""
    INSERT INTO tocsin_ledger.lag (at, topic, partition, lag, watermark_age_s)
    SELECT date_trunc('minute', now()), p.topic, p.partition, greatest(p.end_offset - p.next_offset, 0),
           extract(epoch FROM clock_timestamp()) - c.watermark_ms / 1000.0
    FROM tocsin_ledger.topic_partition p LEFT JOIN tocsin_ledger.judge_cursor c USING (topic_id, partition)
    WHERE p.next_offset IS NOT NULL AND p.end_offset IS NOT NULL
    ON CONFLICT DO NOTHING
""")


def keep_lag(engine: Engine) -> None:
    """Note how far each partition is behind, a row a minute."""
    with engine.begin() as conn:
        conn.execute(_LAG)


def end_events(engine: Engine) -> None:
    """End the incidents that tell of one event, an hour after it."""
    with engine.begin() as conn:
        announcements.end_events(conn, (OFFSETS_LOST, WENT_BACK), EVENTS_LAST)


def tell_of_config(engine: Engine, config: Config, problems: Sequence[str], now_ms: int) -> None:
    """Open an incident about an alerts.yaml with `problems`; end it where there are none."""
    with engine.begin() as conn:
        if not problems:
            announcements.resolve_internal(
                conn, rule=CONFIG_REFUSED, key=config.path, detail="it is good now"
            )
            return
        announcements.open_internal(
            conn,
            config,
            rule=CONFIG_REFUSED,
            key=config.path,
            summary="alerts.yaml is wrong, so the one before holds",
            detail="; ".join(problems),
            at_ms=now_ms,
            severity="warning",
        )


def note_config(engine: Engine, config: Config, host: str) -> None:
    """Keep the configuration that decisions name by its hash, without its secrets."""
    row = insert(config_table).values(
        config_hash=config.config_hash, host=host, yaml_redacted=config.redacted
    )
    with engine.begin() as conn:
        conn.execute(row.on_conflict_do_nothing())
