"""Exactly once, tried hard: an oracle, a simulator of the protocol, its mutants, and real processes that are killed."""
