"""Models over HTTP, and the playground."""
