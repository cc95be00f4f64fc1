"""What is deployed: the contracts that workers publish, and the jobs that wait, beside the sources."""
