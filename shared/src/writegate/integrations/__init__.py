"""What a service written with a web framework needs; the frameworks themselves stay in the services."""
