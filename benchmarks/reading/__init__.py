"""What the benchmark of the input pipeline is made of: files, and libraries that read them."""
