"""Clients that send scripted requests to the API, and a log of the responses."""
