"""All metrics that processes update while they work. Their cost is negligible when nothing scrapes them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

HTTP_REQUESTS = Counter("dezky_http_requests", "Requests answered by the API", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "dezky_http_request_duration_seconds", "Time to answer a request", ["method", "route"], buckets=_SECONDS
)
OPERATIONS_FINISHED = Counter("dezky_operations_finished", "Operations that ended", ["action", "status"])
STEP_ATTEMPTS = Counter("dezky_step_attempts", "Attempts of steps", ["integration", "outcome"])
STEP_SECONDS = Histogram(
    "dezky_step_attempt_duration_seconds", "Time of an attempt", ["integration", "outcome"], buckets=_SECONDS
)
LEASES_LOST = Counter("dezky_leases_lost", "Attempts that ended after their lease had expired", ["integration"])
WEBHOOK_DELIVERIES = Counter("dezky_webhook_deliveries", "Attempts to deliver an event", ["outcome"])
POOL_CONNECTIONS = Gauge(
    "dezky_mongodb_pool_connections", "Connections to MongoDB", ["state"], multiprocess_mode="livesum"
)
JOB_LAST_RUN = Gauge(
    "dezky_scheduler_job_last_run_timestamp_seconds",
    "When the scheduler last finished a job",
    ["scheduler_job"],
    multiprocess_mode="livemostrecent",
)
JOB_SECONDS = Histogram(
    "dezky_scheduler_job_duration_seconds", "Time of one run of a job", ["scheduler_job"], buckets=_SECONDS
)
JOB_FAILURES = Counter(
    "dezky_scheduler_job_failures",
    "Runs of a job that failed: the database was unavailable, or the job has a bug",
    ["scheduler_job"],
)
