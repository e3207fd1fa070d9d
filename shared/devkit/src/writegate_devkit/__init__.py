"""For those who develop with Writegate: the local stack and the scaffold of a service. No service carries it."""
