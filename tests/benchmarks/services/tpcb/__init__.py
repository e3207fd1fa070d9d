"""pgbench's transaction as a command, on its tables at scale 1 and at scale 50."""
