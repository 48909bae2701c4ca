"""The stand-in for Stripe: customers, subscriptions and the signed events about them."""
