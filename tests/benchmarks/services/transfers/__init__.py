"""Money moved between two accounts: of 50 (hot) or of 100,000 (spread)."""
