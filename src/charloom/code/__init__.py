"""Python source: written so that it can be completed, completed name by name, and searched for what looks wrong."""
