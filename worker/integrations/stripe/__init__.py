"""Stripe: the tenant's customer and subscription."""
