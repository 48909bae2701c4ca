"""The web console: the people's way to the API, with the signed-in person's own access token."""
