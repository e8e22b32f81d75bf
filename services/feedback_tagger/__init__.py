"""Customer feedback in, one label of a known set a row out, every row accounted for."""
