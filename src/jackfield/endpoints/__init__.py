"""Endpoints as URLs: read, checked, held and written. Nothing here opens or looks up anything.

The rules this file owns:

1. The forms, each with options in the query where its transport takes any::

       tcp://HOST:PORT   tls://HOST:PORT   udp://HOST:PORT
       ws://HOST:PORT/PATH   wss://HOST:PORT/PATH (WebSocket; over TLS)
       unix:///PATH   unix:@NAME (abstract); so too unix+dgram: and unix+seqpacket:
       fd://NUMBER   memory://NAME

2. HOST is an IPv4 address of four decimal numbers, an IPv6 address in brackets, or a name.
   A zone is written `[fe80::1%25eth0]` (RFC 6874); `[fe80::1%eth0]` is taken too, except that
   `%25` always stands for the percent sign. No HOST at all means localhost: never all
   addresses, which are `[::]` or `0.0.0.0`.
   Of WebSocket the PATH is what a client asks for (RFC 6455, section 3); none is `/`. It is kept
   as it is sent: percent-encoded as RFC 3986, section 3.3, has it, and nothing more.
3. A UNIX path and the value of an option may hold any byte but NUL, percent-encoded where it
   is no printable character or means something in a URL.
4. `parse(str(endpoint)) == endpoint` for whatever `parse()` gave. So one endpoint has one
   canonical URL: addresses and ASCII names in lower case, sizes in bytes, times in seconds.
5. A URL that is not an endpoint raises `EndpointError` and nothing else. Its one line quotes
   the URL, names the part that is wrong, and ends with a URL that is right.
"""

from __future__ import annotations

from jackfield.endpoints.endpoint import DEFAULT_OPTIONS, Endpoint, Options, Transport
from jackfield.endpoints.parsing import parse

__all__ = ["DEFAULT_OPTIONS", "Endpoint", "Options", "Transport", "parse"]
