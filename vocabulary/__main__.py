"""`python -m vocabulary`: write the vocabularies into medsnap/policy/data."""

import sys

from vocabulary.make import files, write

changed = write()
for name, text in files().items():
    sys.stdout.write(f"{name}: {len(text):,} bytes, {'written' if name in changed else 'in step'}\n")
