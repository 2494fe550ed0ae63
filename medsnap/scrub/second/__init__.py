"""Second readers: each walks an output strictly and shares no code with the rewriters or formats/."""
