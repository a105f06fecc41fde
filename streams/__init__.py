"""Events in, windowed figures out. Knows nothing of alerts, HTTP or the page."""
