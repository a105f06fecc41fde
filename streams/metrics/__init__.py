"""The catalogue of figures: one file a family, one row a figure. Pure: numpy only."""
