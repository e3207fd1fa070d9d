"""What requests share: one look at the gate for all, jobs, and what was read a moment ago."""
