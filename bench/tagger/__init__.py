"""The feedback tagger beside its peers: throughput, quota, cost, a million rows, both databases, waits of singles."""
