"""Serving HTTP: one exchange after another on a connection, by a function from request to answer.

What the web service, the status pages and the board stand on; not a web framework.
"""
