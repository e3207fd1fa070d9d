"""From data to what a page shows."""
