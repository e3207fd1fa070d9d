"""What people read about a running gate, with the reader role. It changes nothing."""
