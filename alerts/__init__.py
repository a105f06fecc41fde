"""What is bad, why, and who hears of it."""
