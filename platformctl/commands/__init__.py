"""The commands: each reads its options, asks the API, and prints."""
