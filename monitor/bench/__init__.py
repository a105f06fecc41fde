"""`xmon bench`: what an installation does under a load of its own. `measurement.py` is the whole way."""
