"""Address families, types of sockets, and options: what this system has, found by asking it."""
