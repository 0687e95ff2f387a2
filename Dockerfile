# Three stages: the front end is bundled with Node, the packages are installed with pip, and neither tool is in the
# image that runs. Any of the three bases can be exchanged: --build-arg PYTHON_IMAGE=...
ARG NODE_IMAGE=node:22-slim
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${NODE_IMAGE} AS frontend
WORKDIR /app/spot/frontend
COPY spot/frontend/package.json spot/frontend/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY spot/frontend ./
RUN npm run build

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /app
COPY requirements/site.txt ./
RUN python -m venv /app/.venv \
    && /app/.venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r site.txt \
    && rm -rf /app/.venv/lib/python3*/site-packages/pip /app/.venv/lib/python3*/site-packages/pip-* /app/.venv/bin/pip*

FROM ${PYTHON_IMAGE} AS site
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SPOT_HOME=/state SPOT_STATIC_ROOT=/app/static SPOT_BIND=0.0.0.0 SPOT_DEMO=off
RUN groupadd --gid 10001 spot && useradd --uid 10001 --gid 10001 --home-dir /state --no-create-home spot \
    && for folder in /state /secrets /data /database-secret; do mkdir -p "$folder" && chown 10001:10001 "$folder" && chmod 0700 "$folder"; done
WORKDIR /app
COPY --from=packages /app/.venv /app/.venv
COPY manage.py pyproject.toml ./
COPY spot_project ./spot_project
COPY providers ./providers
COPY templates ./templates
COPY spot ./spot
COPY sbom ./sbom
COPY --from=frontend /app/spot/static/spot/build ./spot/static/spot/build
# Collecting needs settings but no secrets: those made here stay in a folder that is removed in the same step.
RUN rm -rf spot/frontend && SPOT_HOME=/tmp/build python manage.py collectstatic --noinput --verbosity 0 && rm -rf /tmp/build
# What the image is made of: the packages that were installed and bundled, as CycloneDX.
LABEL org.opencontainers.image.title="Spot" spot.sbom="/app/sbom"
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "\
import http.client, sys; \
site = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); \
site.request('GET', '/healthz'); \
sys.exit(site.getresponse().status != 200)"]
CMD ["python", "manage.py", "up", "web"]
