"""Webhook_delivery."""
