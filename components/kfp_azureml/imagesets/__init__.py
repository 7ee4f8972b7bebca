"""Read and write image sets: idx, Parquet, CSV."""
