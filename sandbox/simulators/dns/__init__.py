"""Simulator of the platform's DNS resolvers."""
