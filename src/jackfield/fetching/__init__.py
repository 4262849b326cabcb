"""Fetching: what a browser does, without one. `jackfield.fetch()` and `jackfield fetch`.

`urls.py` reads URLs, `pool.py` keeps connections, `exchange.py` has one request and its response,
`following.py` decides on redirects, `resuming.py` on trying again, `decoding.py` undoes content
codings, `fetch.py` puts these together, and `saving.py` puts a body into a file.
"""
