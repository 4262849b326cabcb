"""Addresses and networks: read, explained, compared, split; and those of this machine."""
