"""A service whose commands meet on few rows: transfers between any two of fifty accounts, in one serial domain."""
