"""Who hears: one file a kind of target, and what brings it there. The only room of `alerts` that knows HTTP."""
