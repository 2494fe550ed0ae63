"""The audit log: a Merkle tree of sealed events that cannot be rewritten unseen (C2SP tlog)."""
