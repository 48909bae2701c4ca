"""What is wrong now, and how operations have ended: read models for operators."""
