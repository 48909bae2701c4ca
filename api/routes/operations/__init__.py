"""Routes for operators: status, all operations, bulk operations, diagnostics."""
