"""First start beside the products: make what no configuration file can, and say what is left for a person."""
