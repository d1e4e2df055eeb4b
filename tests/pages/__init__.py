"""README and documentation, run as they are written (`make pages`)."""
