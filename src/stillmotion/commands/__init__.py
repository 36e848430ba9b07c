"""The commands, one a file: each parses its arguments, calls the library, prints the result."""
