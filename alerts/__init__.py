"""What is bad, why, and who hears of it. `engine.py` shows the whole way; only `redis_store.py` may touch Redis."""
