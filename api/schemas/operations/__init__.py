"""Requests and responses of the routes for operators."""
