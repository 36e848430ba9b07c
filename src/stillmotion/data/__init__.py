"""Videos, lists of them, and clips drawn from them. Knows nothing of models."""
