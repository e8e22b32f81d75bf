"""What feedback, a category set and a run are; knows the standard library alone."""
