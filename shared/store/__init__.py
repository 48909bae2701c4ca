"""MongoDB, one file per collection: takes and gives domain values; drivers' errors stay inside."""
