"""The only home of `cryptography`: age v1 files, signed notes, Ed25519."""
