"""Files from package indexes and hubs: places, downloads, archives, and the cache."""
