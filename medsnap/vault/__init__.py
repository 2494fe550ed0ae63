"""The vault: a signed directory, key rings, sealed objects, sealed batches, signed commits."""
