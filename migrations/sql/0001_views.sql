-- A view is always a stream and a signal joined to a LATERAL that reads one range of the panes' primary key: so
-- the reader's conditions on stream, signal and pane_start reach the index, also through a join with incidents.

CREATE FUNCTION tocsin_ledger.bucket_value(scale text, bucket integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE
        WHEN bucket = -32768 THEN 0
        WHEN scale = 'log' THEN 2 * power(1.01::float8 / 0.99::float8, bucket) / (1.01::float8 / 0.99::float8 + 1)
        WHEN bucket = 32767 THEN 1
        ELSE 1 / (1 + exp((0.5::float8 - bucket) / 50))
    END;

CREATE FUNCTION tocsin_ledger.category_name(category_id integer, name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE category_id WHEN 0 THEN 'unknown' WHEN 1 THEN '(other)' ELSE coalesce(name, '#' || category_id) END;

CREATE VIEW tocsin.incidents AS
SELECT incident_id, rule, stream, labels, signal, quantity, unit, severity, state, onset_at, detected_at, opened_at,
       acknowledged_at, acknowledged_by, resolved_at, observed, reference, tolerance, at_least, guaranteed,
       cause_field, cause_value, version, version_seen_at, affected, total, reference_id, outcome, historical,
       dry_run, kill_switch, summary, config_hash
FROM tocsin_ledger.incident;

-- When it ended in event time. Of `each`: the slice that is judged by itself. Of an objective on a distribution: the
-- limit of what is good. Of a percentile judged in points: `edge` is the value, and no more than `share_limit` may lie
-- on its `side`.
CREATE VIEW tocsin.incident_scopes AS
SELECT incident_id, coalesce(ended_at, resolved_at) AS ended_at, facts -> 'part' ->> 0 AS part_field, facts -> 'part' ->> 1 AS part_value,
       (facts -> 'budget' ->> 'below')::double precision AS good_below,
       CASE WHEN quantity ~ '^p[0-9.]+$' AND tolerance LIKE '%pp' THEN at_least END AS edge,
       CASE WHEN facts ->> 'side' = 'down' THEN 'below' ELSE 'above' END AS side,
       (facts ->> 'limit')::double precision AS share_limit
FROM tocsin_ledger.incident;

CREATE VIEW tocsin.timeline AS
SELECT incident_id, at, what, detail FROM tocsin_ledger.timeline;

CREATE VIEW tocsin.deliveries AS
SELECT delivery_id, incident_id, kill_id, receiver, event, state, attempts, created_at, delivered_at, response,
       last_error
FROM tocsin_ledger.delivery;

CREATE VIEW tocsin.kill_switches AS
SELECT switch, stream, state, mode, target, sequence, since, reason, incident_id, confirmed_at, share
FROM tocsin_ledger.kill_switch;

CREATE VIEW tocsin.kill_events AS
SELECT kill_id, switch, stream, action, mode, target, sequence, at, reason, incident_id, actor, share
FROM tocsin_ledger.kill_event;

CREATE VIEW tocsin.panes AS
SELECT s.key AS stream, p.pane_start, p.n, p.late
FROM tocsin_ledger.stream s
CROSS JOIN LATERAL (
    SELECT pane_start, sum(n)::bigint AS n,
           coalesce(sum(n) FILTER (WHERE evidence_start > pane_start), 0)::bigint AS late
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = 0 AND slice_id = 0
    GROUP BY pane_start
) p;

CREATE VIEW tocsin.rates AS
SELECT s.key AS stream, g.name AS signal, p.pane_start, p.k, p.n
FROM tocsin_ledger.stream s
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, coalesce(sum(counts[array_position(buckets, 1)]), 0)::bigint AS k, sum(n)::bigint AS n
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = g.code AND slice_id = 0
    GROUP BY pane_start
) p
WHERE g.kind = 'rate';

CREATE VIEW tocsin.rates_by AS
SELECT s.key AS stream, g.name AS signal, p.pane_start, p.k, p.n, l.field, l.value
FROM tocsin_ledger.stream s
JOIN tocsin_ledger.slice l USING (stream_id)
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, coalesce(sum(counts[array_position(buckets, 1)]), 0)::bigint AS k, sum(n)::bigint AS n
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = g.code AND slice_id = l.slice_id
    GROUP BY pane_start
) p
WHERE g.kind = 'rate';

CREATE VIEW tocsin.totals AS
SELECT s.key AS stream, g.name AS signal, p.pane_start, p.n, p.total
FROM tocsin_ledger.stream s
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, sum(n)::bigint AS n, sum(total) AS total
    FROM tocsin_ledger.pane
    WHERE stream_id = s.stream_id AND signal = g.code AND slice_id = 0
    GROUP BY pane_start
) p
WHERE g.kind = 'distribution';

CREATE VIEW tocsin.categories AS
SELECT s.key AS stream, g.name AS signal, p.pane_start,
       tocsin_ledger.category_name(p.bucket, c.name) AS category, p.n
FROM tocsin_ledger.stream s
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, b.bucket, sum(b.count)::bigint AS n
    FROM tocsin_ledger.pane CROSS JOIN LATERAL unnest(buckets, counts) AS b (bucket, count)
    WHERE stream_id = s.stream_id AND signal = g.code AND slice_id = 0
    GROUP BY pane_start, b.bucket
) p
LEFT JOIN tocsin_ledger.category c
    ON c.stream_id = s.stream_id AND c.signal = g.code AND c.category_id = p.bucket
WHERE g.kind = 'category';

CREATE VIEW tocsin.categories_by AS
SELECT s.key AS stream, g.name AS signal, p.pane_start,
       tocsin_ledger.category_name(p.bucket, c.name) AS category, p.n, l.field, l.value
FROM tocsin_ledger.stream s
JOIN tocsin_ledger.slice l USING (stream_id)
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT pane_start, b.bucket, sum(b.count)::bigint AS n
    FROM tocsin_ledger.pane CROSS JOIN LATERAL unnest(buckets, counts) AS b (bucket, count)
    WHERE stream_id = s.stream_id AND signal = g.code AND slice_id = l.slice_id
    GROUP BY pane_start, b.bucket
) p
LEFT JOIN tocsin_ledger.category c
    ON c.stream_id = s.stream_id AND c.signal = g.code AND c.category_id = p.bucket
WHERE g.kind = 'category';

CREATE VIEW tocsin.streams AS
SELECT key AS stream, labels, state, first_seen, last_seen, reference_id, learned, needed
FROM tocsin_ledger.stream;

CREATE VIEW tocsin.versions AS
SELECT s.key AS stream, v.version, v.first_seen, v.last_seen, v.n
FROM tocsin_ledger.version v JOIN tocsin_ledger.stream s USING (stream_id);

CREATE VIEW tocsin.progress AS
SELECT t.topic, t.partition, t.next_offset, c.judged_offset, t.counted, t.skipped,
       CASE WHEN t.end_offset < t.next_offset THEN 0 ELSE t.end_offset - t.next_offset END AS lag,
       timestamptz 'epoch' + c.watermark_ms * interval '1 millisecond' AS watermark, t.updated_at
FROM tocsin_ledger.topic_partition t LEFT JOIN tocsin_ledger.judge_cursor c USING (topic_id, partition);

CREATE VIEW tocsin.lag AS
SELECT at, topic, partition, lag, watermark_age_s FROM tocsin_ledger.lag;

CREATE VIEW tocsin.slos AS
SELECT o.rule, s.key AS stream, o.objective, o.good, o.total, o.budget_left
FROM tocsin_ledger.slo o JOIN tocsin_ledger.stream s USING (stream_id);

CREATE VIEW tocsin.skipped_records AS
SELECT r.topic, r.partition, o.kafka_offset, r.reason, r.detail, r.at
FROM tocsin_ledger.skipped_range r
CROSS JOIN LATERAL generate_series(r.first_offset, r.last_offset) AS o (kafka_offset)
WHERE r.which IS NULL OR get_bit(r.which, o.kafka_offset - r.first_offset) = 1;

CREATE VIEW tocsin.samples AS
SELECT s.key AS stream, x.at, x.topic, x.partition, x.kafka_offset, x.record_id, x.trace_id, x.version,
       x.incident_id, x.signal, x.why, x.record, x.sample_id, x.signals, m.verdict AS mark, m.note, m.author AS marked_by,
       m.at AS marked_at
FROM tocsin_ledger.sample x
LEFT JOIN tocsin_ledger.stream s USING (stream_id)
LEFT JOIN LATERAL (
    SELECT verdict, note, author, at FROM tocsin_ledger.mark WHERE sample_id = x.sample_id ORDER BY mark_id DESC LIMIT 1
) m ON true;

CREATE VIEW tocsin.marks AS
SELECT m.sample_id, s.key AS stream, m.version, m.verdict AS mark, m.note, m.author AS marked_by, m.at AS marked_at,
       m.counted
FROM tocsin_ledger.mark m LEFT JOIN tocsin_ledger.stream s USING (stream_id);

CREATE VIEW tocsin.silences AS
SELECT silence_id, match, author, reason, created_at, expires_at, expired_by FROM tocsin_ledger.silence;

CREATE VIEW tocsin.configs AS
SELECT config_hash, loaded_at, host, yaml_redacted FROM tocsin_ledger.config;
