"""Everything that is not business: settings, database, identity, events, handlers, clock, logs."""

from huitou.runtime.loading import prepare_to_load

prepare_to_load()
