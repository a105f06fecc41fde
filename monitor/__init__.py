"""Everything a person touches: settings, commands, HTTP, the page."""
