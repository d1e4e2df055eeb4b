"""What everything stands on: errors, units, structures, the journal, the store. It imports no other room."""
