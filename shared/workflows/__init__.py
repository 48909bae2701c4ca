"""The steps of each action, in stages."""
