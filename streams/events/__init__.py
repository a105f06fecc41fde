"""The contracts with producers: one file a family of events. Pure: touches nothing but pydantic."""
