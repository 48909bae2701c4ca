"""Billing: subscriptions as Stripe has them."""
