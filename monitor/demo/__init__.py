"""The demo: a day in the life of two apps, told as events."""
