# The image of api, worker, sweep and flower: one for all, the command says which.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock .
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home platform \
    && mkdir /data && chown platform /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY api ./api
COPY worker ./worker
COPY shared ./shared
ENV PATH="/opt/venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER platform
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3001/health/live', timeout=2)"]
CMD ["python", "-m", "api", "--host", "0.0.0.0", "--port", "3001", "--workers", "2"]
