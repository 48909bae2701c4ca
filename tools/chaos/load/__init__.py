"""Clients that send scripted requests to the API, and a log of what they were answered."""
