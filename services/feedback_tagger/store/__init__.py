"""Where rows, chunks, runs and categories are kept."""
