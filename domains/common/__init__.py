"""What several domains share: picture files, geometry of finer grids, and delivery of output files all at once."""
