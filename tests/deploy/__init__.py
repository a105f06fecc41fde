"""What is deployed, checked without deploying it."""
