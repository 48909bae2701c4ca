"""Authorization: what an actor may see and do."""
