"""What the commands do; `cli` parses, calls and prints."""
