"""`python -m vocabulary`: write the vocabularies into medsnap/policy/data."""

from vocabulary.make import files, write

changed = write()
for name, text in files().items():
    print(f"{name}: {len(text):,} bytes, {'written' if name in changed else 'in step'}")
