"""Routes of users, partners and subscriptions."""
