"""One thin file per command: options → request → core → page and data."""
