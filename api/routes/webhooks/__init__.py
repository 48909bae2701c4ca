"""Routes of webhooks and of Stripe's events."""
