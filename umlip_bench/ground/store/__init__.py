"""Files that are published elsewhere: where they lie, how they are fetched, and whether they are whole."""
