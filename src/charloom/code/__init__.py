"""Python source: generated so that it parses, completed name by name, and searched for suspicious places."""
