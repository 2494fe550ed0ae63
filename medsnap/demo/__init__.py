"""A made-up day of a made-up clinic. Nobody in it exists."""
