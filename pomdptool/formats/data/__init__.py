"""Tables of episodes: CSV, TSV, JSON lines and Parquet."""
