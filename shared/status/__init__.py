"""Current problems and results of operations: read models for operators."""
