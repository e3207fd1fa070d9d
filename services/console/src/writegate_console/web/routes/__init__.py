"""The pages and the API: what is asked for, and what is answered."""
