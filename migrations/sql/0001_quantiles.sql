-- Ranks are those of percentile_disc: the first bucket at which ceil(q n) values are reached.

-- Buckets ascend; `n` is the sum of the counts. A loop, since windows over unnested buckets took five times as long.
CREATE FUNCTION tocsin_ledger.percentile_buckets(buckets integer[], counts bigint[], n bigint) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    shares constant double precision[] := '{0.5, 0.9, 0.95, 0.99, 0.999}';
    found integer[] := '{}';
    reached bigint := 0;
    wanted bigint := ceil(shares[1] * n);
BEGIN
    IF n < 1 THEN
        RETURN NULL;
    END IF;
    FOR i IN 1 .. cardinality(counts) LOOP
        reached := reached + counts[i];
        WHILE reached >= wanted LOOP
            found := found || buckets[i];
            IF cardinality(found) = 5 THEN
                RETURN found;
            END IF;
            wanted := ceil(shares[cardinality(found) + 1] * n);
        END LOOP;
    END LOOP;
    RETURN found;
END
$$;

CREATE VIEW tocsin.quantiles AS
SELECT s.key AS stream, g.name AS signal, p.pane_start, p.n,
       tocsin_ledger.bucket_value(g.scale, p.at[1]) AS p50, tocsin_ledger.bucket_value(g.scale, p.at[2]) AS p90,
       tocsin_ledger.bucket_value(g.scale, p.at[3]) AS p95, tocsin_ledger.bucket_value(g.scale, p.at[4]) AS p99,
       tocsin_ledger.bucket_value(g.scale, p.at[5]) AS p999
FROM tocsin_ledger.stream s
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT o.pane_start, sum(o.n)::bigint AS n, CASE WHEN count(*) = 1
        THEN tocsin_ledger.percentile_buckets(min(o.buckets), min(o.counts), sum(o.n)::bigint)
        ELSE (
            SELECT tocsin_ledger.percentile_buckets(
                array_agg(m.bucket ORDER BY m.bucket), array_agg(m.count ORDER BY m.bucket), sum(m.count)::bigint
            )
            FROM (
                SELECT b.bucket, sum(b.count)::bigint AS count
                FROM tocsin_ledger.pane e CROSS JOIN LATERAL unnest(e.buckets, e.counts) AS b (bucket, count)
                WHERE e.stream_id = s.stream_id AND e.signal = g.code AND e.slice_id = 0
                  AND e.pane_start = o.pane_start
                GROUP BY b.bucket
            ) m
        ) END AS at
    FROM tocsin_ledger.pane o
    WHERE o.stream_id = s.stream_id AND o.signal = g.code AND o.slice_id = 0
    GROUP BY o.pane_start
) p
WHERE g.kind = 'distribution';

CREATE VIEW tocsin.quantiles_by AS
SELECT s.key AS stream, g.name AS signal, p.pane_start, p.n,
       tocsin_ledger.bucket_value(g.scale, p.at[1]) AS p50, tocsin_ledger.bucket_value(g.scale, p.at[2]) AS p90,
       tocsin_ledger.bucket_value(g.scale, p.at[3]) AS p95, tocsin_ledger.bucket_value(g.scale, p.at[4]) AS p99,
       tocsin_ledger.bucket_value(g.scale, p.at[5]) AS p999, l.field, l.value
FROM tocsin_ledger.stream s
JOIN tocsin_ledger.slice l USING (stream_id)
CROSS JOIN tocsin_ledger.signal g
CROSS JOIN LATERAL (
    SELECT o.pane_start, sum(o.n)::bigint AS n, CASE WHEN count(*) = 1
        THEN tocsin_ledger.percentile_buckets(min(o.buckets), min(o.counts), sum(o.n)::bigint)
        ELSE (
            SELECT tocsin_ledger.percentile_buckets(
                array_agg(m.bucket ORDER BY m.bucket), array_agg(m.count ORDER BY m.bucket), sum(m.count)::bigint
            )
            FROM (
                SELECT b.bucket, sum(b.count)::bigint AS count
                FROM tocsin_ledger.pane e CROSS JOIN LATERAL unnest(e.buckets, e.counts) AS b (bucket, count)
                WHERE e.stream_id = s.stream_id AND e.signal = g.code AND e.slice_id = l.slice_id
                  AND e.pane_start = o.pane_start
                GROUP BY b.bucket
            ) m
        ) END AS at
    FROM tocsin_ledger.pane o
    WHERE o.stream_id = s.stream_id AND o.signal = g.code AND o.slice_id = l.slice_id
    GROUP BY o.pane_start
) p
WHERE g.kind = 'distribution';

-- NULL where a stream has no such slice; 0 is the whole stream.
CREATE FUNCTION tocsin_ledger.slice_of(wanted_stream integer, field text, value text) RETURNS integer
    LANGUAGE sql STABLE
    RETURN CASE WHEN field IS NULL AND value IS NULL THEN 0 ELSE (
        SELECT l.slice_id FROM tocsin_ledger.slice l
        WHERE l.stream_id = wanted_stream AND l.field = slice_of.field AND l.value = slice_of.value
    ) END;

-- A function of SQL, which is planned as a part of who asks.
CREATE FUNCTION tocsin_ledger.merged(
    stream_id integer, signal smallint, slice_id integer, since timestamptz, until timestamptz
) RETURNS TABLE (bucket integer, n bigint)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.bucket, sum(b.count)::bigint
    FROM tocsin_ledger.pane p CROSS JOIN LATERAL unnest(p.buckets, p.counts) AS b (bucket, count)
    WHERE p.stream_id = merged.stream_id AND p.signal = merged.signal AND p.slice_id = merged.slice_id
      AND p.pane_start >= merged.since AND p.pane_start < merged.until
    GROUP BY b.bucket;
END;

CREATE FUNCTION tocsin.histogram(
    stream text, signal text, since timestamptz, until timestamptz, field text DEFAULT NULL, value text DEFAULT NULL
) RETURNS TABLE (at double precision, n bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    found tocsin_ledger.signal%ROWTYPE;
    wanted_stream integer;
    wanted_slice integer;
BEGIN
    SELECT * INTO found FROM tocsin_ledger.signal g WHERE g.name = histogram.signal AND g.kind = 'distribution';
    SELECT s.stream_id INTO wanted_stream FROM tocsin_ledger.stream s WHERE s.key = histogram.stream;
    wanted_slice := tocsin_ledger.slice_of(wanted_stream, histogram.field, histogram.value);
    RETURN QUERY
    SELECT tocsin_ledger.bucket_value(found.scale, m.bucket), m.n
    FROM tocsin_ledger.merged(wanted_stream, found.code, wanted_slice, histogram.since, histogram.until) m
    ORDER BY m.bucket;
END
$$;

COMMENT ON FUNCTION tocsin.histogram IS
    'How many values of a signal lie at each point, over the panes that begin in [since, until), of a stream or of one of its slices; points are within 1% of the values.';

CREATE FUNCTION tocsin.histogram_by(stream text, signal text, since timestamptz, until timestamptz)
    RETURNS TABLE (field text, value text, at double precision, n bigint)
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    found tocsin_ledger.signal%ROWTYPE;
    wanted_stream integer;
BEGIN
    SELECT * INTO found FROM tocsin_ledger.signal g WHERE g.name = histogram_by.signal AND g.kind = 'distribution';
    SELECT s.stream_id INTO wanted_stream FROM tocsin_ledger.stream s WHERE s.key = histogram_by.stream;
    RETURN QUERY
    SELECT l.field, l.value, tocsin_ledger.bucket_value(found.scale, m.bucket), m.n
    FROM tocsin_ledger.slice l
    CROSS JOIN LATERAL tocsin_ledger.merged(
        wanted_stream, found.code, l.slice_id, histogram_by.since, histogram_by.until
    ) m
    WHERE l.stream_id = wanted_stream
    ORDER BY l.field, l.value, m.bucket;
END
$$;

COMMENT ON FUNCTION tocsin.histogram_by IS 'As histogram, of every slice of a stream.';

CREATE FUNCTION tocsin.quantile(
    stream text, signal text, q double precision, since timestamptz, until timestamptz,
    field text DEFAULT NULL, value text DEFAULT NULL
) RETURNS double precision
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT quantile.q BETWEEN 0 AND 1 THEN
        RAISE EXCEPTION 'q = % is not between 0 and 1', quantile.q USING ERRCODE = 'numeric_value_out_of_range';
    END IF;
    IF quantile.q IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT min(r.at) FROM (
            SELECT h.at, sum(h.n) OVER (ORDER BY h.at) AS reached, sum(h.n) OVER () AS n
            FROM tocsin.histogram(stream, signal, since, until, field, value) h
        ) r
        WHERE r.reached >= greatest(1, ceil(quantile.q * r.n))
    );
END
$$;

COMMENT ON FUNCTION tocsin.quantile IS
    'The q-quantile of a signal over the panes that begin in [since, until), of a stream or of one of its slices, within 1% of percentile_disc; NULL where nothing was counted.';
