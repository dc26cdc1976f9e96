-- What "normal" was: the distributions, categories and rates that a stream is judged against.
CREATE VIEW tocsin.reference_quantiles AS
SELECT r.reference_id, s.key AS stream, g.name AS signal, r.origin, r.provisional, r.n, r.learned_from, r.learned_until,
       r.created_at, r.retired_at,
       tocsin_ledger.bucket_value(g.scale, p.at[1]) AS p50, tocsin_ledger.bucket_value(g.scale, p.at[2]) AS p90,
       tocsin_ledger.bucket_value(g.scale, p.at[3]) AS p95, tocsin_ledger.bucket_value(g.scale, p.at[4]) AS p99,
       tocsin_ledger.bucket_value(g.scale, p.at[5]) AS p999
FROM tocsin_ledger.reference r
JOIN tocsin_ledger.stream s USING (stream_id)
JOIN tocsin_ledger.signal g ON g.code = r.signal AND g.kind = 'distribution'
CROSS JOIN LATERAL (SELECT tocsin_ledger.percentile_buckets(r.buckets, r.counts, r.n) AS at OFFSET 0) p;

CREATE VIEW tocsin.reference_categories AS
SELECT r.reference_id, s.key AS stream, g.name AS signal, r.origin, r.provisional, r.learned_from, r.learned_until,
       r.created_at, r.retired_at, tocsin_ledger.category_name(b.bucket, c.name) AS category, b.count AS n,
       b.count::float8 / nullif(r.n, 0) AS share
FROM tocsin_ledger.reference r
JOIN tocsin_ledger.stream s USING (stream_id)
JOIN tocsin_ledger.signal g ON g.code = r.signal AND g.kind = 'category'
CROSS JOIN LATERAL unnest(r.buckets, r.counts) AS b (bucket, count)
LEFT JOIN tocsin_ledger.category c
    ON c.stream_id = r.stream_id AND c.signal = r.signal AND c.category_id = b.bucket;

CREATE VIEW tocsin.reference_rates AS
SELECT r.reference_id, s.key AS stream, g.name AS signal, r.origin, r.provisional, r.learned_from, r.learned_until,
       r.created_at, r.retired_at, coalesce(r.counts[array_position(r.buckets, 1)], 0) AS k, r.n,
       coalesce(r.counts[array_position(r.buckets, 1)], 0)::float8 / nullif(r.n, 0) AS rate
FROM tocsin_ledger.reference r
JOIN tocsin_ledger.stream s USING (stream_id)
JOIN tocsin_ledger.signal g ON g.code = r.signal AND g.kind = 'rate';
