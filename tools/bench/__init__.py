"""What `make bench` runs: measurements as ratios of one run, never asserted."""
