# The image of API, worker, scheduler, Flower, console and command line: one for all, the command says which.
FROM python:3.13.1-slim AS build
WORKDIR /build
COPY requirements.lock .
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13.1-slim
RUN useradd --system --uid 10001 --no-create-home platform \
    && install --directory --owner platform /var/lib/flower
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY api ./api
COPY worker ./worker
COPY shared ./shared
COPY client ./client
COPY platformctl ./platformctl
COPY console ./console
COPY serving ./serving
# readable for the user below, whatever the umask of the folder that was copied
RUN chmod -R a+rX /app && printf '#!/bin/sh\nexec env PYTHONPATH=/app python -m platformctl "$@"\n' > /usr/local/bin/platformctl \
    && chmod 755 /usr/local/bin/platformctl
ENV PATH="/opt/venv/bin:$PATH" PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3001/health/live', timeout=2)"]
CMD ["python", "-m", "api", "--host", "0.0.0.0", "--port", "3001", "--workers", "2"]
