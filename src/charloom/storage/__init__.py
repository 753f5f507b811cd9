"""Files that last: written so that a crash leaves the old or the new one, read back strictly."""
