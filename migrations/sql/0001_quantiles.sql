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

CREATE FUNCTION tocsin.quantile(
    stream text, signal text, q double precision, since timestamptz, until timestamptz
) RETURNS double precision
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $$
DECLARE
    found tocsin_ledger.signal%ROWTYPE;
    wanted_stream integer;
    bucket_at_rank integer;
BEGIN
    IF NOT quantile.q BETWEEN 0 AND 1 THEN
        RAISE EXCEPTION 'q = % is not between 0 and 1', quantile.q USING ERRCODE = 'numeric_value_out_of_range';
    END IF;
    SELECT * INTO found FROM tocsin_ledger.signal g WHERE g.name = quantile.signal AND g.kind = 'distribution';
    SELECT s.stream_id INTO wanted_stream FROM tocsin_ledger.stream s WHERE s.key = quantile.stream;
    SELECT min(r.bucket) INTO bucket_at_rank FROM (
        SELECT m.bucket, sum(m.count) OVER (ORDER BY m.bucket) AS reached, sum(m.count) OVER () AS n
        FROM (
            SELECT b.bucket, sum(b.count) AS count
            FROM tocsin_ledger.pane p CROSS JOIN LATERAL unnest(p.buckets, p.counts) AS b (bucket, count)
            WHERE p.stream_id = wanted_stream AND p.signal = found.code AND p.slice_id = 0
              AND p.pane_start >= quantile.since AND p.pane_start < quantile.until
            GROUP BY b.bucket
        ) m
    ) r
    WHERE r.reached >= greatest(1, ceil(quantile.q * r.n));
    RETURN tocsin_ledger.bucket_value(found.scale, bucket_at_rank);
END
$$;

COMMENT ON FUNCTION tocsin.quantile IS
    'The q-quantile of a signal over the panes that begin in [since, until), within 1% of percentile_disc; NULL where nothing was counted.';
