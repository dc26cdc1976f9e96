"""What both dashboards are made of: queries against Postgres and Prometheus, and panels of a common look."""
