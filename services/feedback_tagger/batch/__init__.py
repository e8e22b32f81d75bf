"""Files that are asked as batch jobs: what is written for a job, and what is read of its answers."""
