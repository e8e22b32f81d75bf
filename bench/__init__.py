"""What `make bench` runs: the same work for ours and for its peers, side by side in one run."""
