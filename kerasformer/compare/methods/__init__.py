"""What each arm does: how it is trained, and how it is measured; a module for each kind of data."""
