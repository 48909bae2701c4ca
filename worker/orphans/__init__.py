"""Looking for orphans in each product, and removing one on an operator's word."""
