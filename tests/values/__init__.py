"""Values of every column type, through every way of publishing, equal what psycopg2 alone stores."""
