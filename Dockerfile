# Tocsin alone; Kafka and Postgres are services of their own (docker-compose.yml).
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY detectors detectors
COPY migrations migrations
COPY monitor monitor
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1
COPY requirements/run.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt && rm /tmp/requirements.txt
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --no-deps /tmp/wheels/*.whl && rm -r /tmp/wheels
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tocsin
USER 10001
WORKDIR /etc/tocsin
# Readiness (is Kafka there, is Postgres there) is /readyz; a restart would not mend either.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9844/healthz', timeout=4)"]
ENTRYPOINT ["tocsin"]
CMD ["run"]
