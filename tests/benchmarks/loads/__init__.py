"""What makes load, each in processes of its own."""
