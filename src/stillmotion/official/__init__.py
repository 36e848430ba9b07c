"""Published checkpoints, in and out: the authors' key schemes and ours."""
