"""Publication figures: each is drawn from one table and can be drawn again from it alone."""
