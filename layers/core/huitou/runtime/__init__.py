"""What is not business: settings, database, identity, events, handlers, triggers, clock, logs."""
