"""Run steps: claim, breaker, bulkhead, watchdog, and the record of the outcome."""
