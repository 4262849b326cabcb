"""Ports: the names of services, who may bind which, and who on this machine has one now."""
