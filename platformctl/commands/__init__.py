"""The commands: each reads its options, calls the API, and prints the result."""
