"""Webhooks: model, repositories, rules and use cases."""
