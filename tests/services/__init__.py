"""Real servers for tests: each in a directory of its own, on free ports, ended by its process id."""
