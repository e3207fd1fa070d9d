"""The demo: the same real flights written directly and through the gate, both checked row by row."""
