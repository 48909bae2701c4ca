"""Schemas for operators of the platform."""
