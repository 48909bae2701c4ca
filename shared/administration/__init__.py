"""Use cases around users, partners, subscriptions, the event log and pauses."""
