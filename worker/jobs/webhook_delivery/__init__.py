"""Deliver events to customers' webhooks: outbox relay, delivery loop, attempts, retries, clean-up."""
