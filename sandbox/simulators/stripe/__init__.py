"""The simulator of Stripe: customers, subscriptions and the signed events about them."""
