"""Real programs for the tests: started on loopback, without other networks, and always ended."""
