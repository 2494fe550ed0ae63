"""Results to text: pages for people (rich), JSON and NDJSON for programs."""
