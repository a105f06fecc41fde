"""The contracts with producers: one file a family of events. Pure: no clock, no network."""
