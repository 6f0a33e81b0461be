"""Data files of episodes: CSV, TSV, JSON lines and Parquet.

`read` opens a data file and detects its format. `input` decompresses it and splits it into blocks
of whole rows, which `delimited` (CSV, with `text` for single rows), JSON lines or Parquet readers
parse; `columns` converts each block to arrays. `gather` collects these batches of rows and builds
`Episodes`: `symbols` maps names to indices, `steps` sorts the rows. `conventions` holds the
options, `report` the errors and warnings with their lines. `write` writes data files.
"""
