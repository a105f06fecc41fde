"""Targets of notifications: one file each."""
