"""A service whose keys own their rows: wallets, spread over eight lanes that are applied in parallel."""
