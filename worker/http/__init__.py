"""HTTP client of the integrations: sessions, deadlines, credentials, responses."""
