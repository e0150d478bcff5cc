"""Everything that is not business: settings, database, identity, events, handlers, clock, logs."""
