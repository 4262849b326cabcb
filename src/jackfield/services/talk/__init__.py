"""talk: two people, one line; either may type at any time.

`wire.py` says what goes over the connection, `protocol.py` what it means, `conversation.py` ties
it to a connection and to a person, and `line.py` lets one person talk with one peer after the
other. The command `jackfield talk` brings the person.
"""

from __future__ import annotations
