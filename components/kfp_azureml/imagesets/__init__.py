"""Image sets in the formats that go in and out of the steps: idx, Parquet, CSV."""
