"""The nouns of medsnap: pure data, standard library only."""
