"""Tags of words: entities, parts of speech."""
