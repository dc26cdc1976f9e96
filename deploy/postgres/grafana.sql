-- For docker compose, as the database is made: a role for dashboards that reads the views and nothing else.
-- With roles of your own see docs/postgres.md.
\getenv password GRAFANA_DB_PASSWORD
CREATE ROLE tocsin_read LOGIN PASSWORD :'password';
CREATE SCHEMA tocsin;
GRANT USAGE ON SCHEMA tocsin TO tocsin_read;
ALTER DEFAULT PRIVILEGES IN SCHEMA tocsin GRANT SELECT ON TABLES TO tocsin_read;
