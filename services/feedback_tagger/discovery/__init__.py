"""New categories: what the rows without one are about, found by what their texts mean and told to people to decide."""
