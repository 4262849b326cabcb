"""The servers that take part, each a line echo as its own documentation would have it written.

Each is run as `python -m benchmarks.servers.NAME PORT [VARIANT] [--tls PEM]`, serves 127.0.0.1,
and prints `ready PORT` once it listens (port 0: the system chooses). TCP_NODELAY is on in all.
"""
