"""The servers that take part, each written as its own documentation would have it.

Each is run as `python -m benchmarks.servers.NAME PORT [VARIANT] [--tls PEM] [--root DIR]`, serves
127.0.0.1, and prints `ready PORT` once it listens (port 0: the system chooses). TCP_NODELAY is on
in all. Most echo lines; those whose names end in `_files` serve a folder, and those in
`_websocket` echo messages.
"""
