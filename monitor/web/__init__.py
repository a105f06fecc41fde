"""The live page: rendered on the server, kept up to date over server-sent events."""
