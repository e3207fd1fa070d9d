"""Who is connected, and who still writes without the gate."""
