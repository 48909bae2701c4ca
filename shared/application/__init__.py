"""Composition of repositories and services, once per process."""
