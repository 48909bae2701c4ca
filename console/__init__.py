"""The web console. It calls the API with the signed-in person's own access token."""
