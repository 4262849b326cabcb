"""The options of sockets, and what they mean: socket(7), tcp(7), udp(7), unix(7), ip(7), ipv6(7).

The numbers are Linux', for options whose names Python's socket module lacks. Standards: RFC 9293
(TCP), RFC 5482 (user time-out), RFC 7413 (Fast Open), RFC 3493 and RFC 3542 (IPv6).
"""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """An option of a socket."""

    name: str
    number: int
    """Of Linux."""
    form: str
    """How its value is to be read: `bool`, a unit (`bytes`, `ms`...), "" for a number..."""
    words: str


class Level(NamedTuple):
    """Options that belong together, and the socket on which they are looked at."""

    name: str
    level: int
    """For getsockopt(2)."""
    family: str
    type: str
    manual: str
    options: tuple[Option, ...]


def _rows(text: str) -> tuple[Option, ...]:
    """Read a table: name, number, form (- for a number), and words."""
    found = []
    for line in text.strip().splitlines():
        name, number, form, words = line.split(maxsplit=3)
        found.append(Option(name, int(number), form.strip("-"), words))
    return tuple(found)


_SOCKET = _rows(
    """
    SO_TYPE 3 type the type of the socket
    SO_DOMAIN 39 family its address family
    SO_PROTOCOL 38 - its protocol, by IANA's number: 6 is TCP, 17 UDP
    SO_ACCEPTCONN 30 bool whether it listens
    SO_ERROR 4 error an error that waits to be told; reading it forgets it
    SO_REUSEADDR 2 bool bind although old connections of the address still end
    SO_REUSEPORT 15 bool several sockets bind one address and share what comes
    SO_KEEPALIVE 9 bool ask a silent peer whether it is still there
    SO_LINGER 13 linger how long close() waits until all is sent; 0 s ends by a reset
    SO_RCVBUF 8 bytes room for what came and was not read; twice what was set
    SO_SNDBUF 7 bytes room for what was sent and is not confirmed; twice what was set
    SO_RCVLOWAT 18 bytes how much must be there for reading to wake up
    SO_SNDLOWAT 19 bytes how much room must be there for writing; fixed in Linux
    SO_RCVTIMEO 20 timeval how long reading may wait; 0 s is for ever
    SO_SNDTIMEO 21 timeval how long writing may wait; 0 s is for ever
    SO_BROADCAST 6 bool may send to broadcast addresses
    SO_DONTROUTE 5 bool send to the same link alone, past no router
    SO_BINDTODEVICE 25 text use this interface alone
    SO_OOBINLINE 10 bool urgent bytes of TCP stand among the others
    SO_PRIORITY 12 - which queue of the interface packets go to
    SO_MARK 36 - a number for the firewall and for routing
    SO_TIMESTAMP 29 bool tell with each message when it came
    SO_RXQ_OVFL 40 bool tell how many datagrams were dropped for want of room
    SO_PEEK_OFF 42 - where peeking begins; -1 at the front
    SO_LOCK_FILTER 44 bool the filter of packets cannot be changed any more
    SO_BUSY_POLL 46 us how long to ask the card again and again before sleeping
    SO_INCOMING_CPU 49 - the processor that handled the last packet
    SO_COOKIE 57 - a number that no other socket of this machine has
    SO_ZEROCOPY 60 bool may send from a program's memory without copying
    SO_TXREHASH 74 - 1: choose another path when packets are lost
    """
)

_TCP = _rows(
    """
    TCP_NODELAY 1 bool send small pieces at once; off, they wait for others (Nagle)
    TCP_CORK 3 bool hold back what does not fill a segment, for 200 ms at the most
    TCP_QUICKACK 12 bool confirm at once, not with the next answer
    TCP_MAXSEG 2 bytes the most in one segment (MSS)
    TCP_KEEPIDLE 4 s how long a peer may be silent before it is asked (SO_KEEPALIVE)
    TCP_KEEPINTVL 5 s how long between such questions
    TCP_KEEPCNT 6 - how many go without answer before the peer is lost
    TCP_USER_TIMEOUT 18 ms how long what was sent may stay unconfirmed; 0: the system's rule
    TCP_SYNCNT 7 - how often connecting is tried again
    TCP_LINGER2 8 s how long a closed socket waits for the peer's end
    TCP_DEFER_ACCEPT 9 s hand a connection over when its first bytes are there
    TCP_CONGESTION 13 text how sending adapts to the network: its algorithm
    TCP_NOTSENT_LOWAT 25 bytes how much may wait unsent before writing is said to block
    TCP_WINDOW_CLAMP 10 bytes the most the peer may send ahead; 0: no bound
    TCP_FASTOPEN 23 - how many peers may send with their first packet (RFC 7413)
    TCP_FASTOPEN_CONNECT 30 bool send with the first packet oneself
    TCP_THIN_LINEAR_TIMEOUTS 16 bool repeat evenly where little is sent, as in games
    TCP_SAVE_SYN 27 bool keep the first packet of each connection for looking at
    TCP_ULP 31 text what the kernel does on top of it, such as tls
    TCP_INQ 36 bool tell with each read how many bytes more are there
    TCP_TX_DELAY 37 us hold back all that is sent, for tests
    TCP_RTO_MAX_MS 44 ms the longest pause before sending again
    """
)

_UDP = _rows(
    """
    UDP_CORK 1 bool join what is sent into one datagram until this is off
    UDP_SEGMENT 103 bytes cut what is sent into datagrams of this size (GSO); 0: do not
    UDP_GRO 104 bool hand over several datagrams of one peer at once
    UDP_ENCAP 100 - what comes is a tunnel's, such as IPsec's; 0: none
    UDP_NO_CHECK6_TX 101 bool send without a checksum in IPv6, for tunnels
    UDP_NO_CHECK6_RX 102 bool take datagrams without a checksum in IPv6
    """
)

_UNIX = _rows(
    """
    SO_PEERCRED 17 ucred who the peer is: the kernel says it, the peer cannot lie
    SO_PEERGROUPS 59 groups the further groups of the peer's user
    SO_PEERSEC 31 text the label that SELinux or AppArmor gives the peer
    SO_PASSCRED 16 bool tell with each message who sent it
    SO_PASSSEC 34 bool tell with each message the sender's label
    SO_PASSPIDFD 76 bool tell with each message the sender by a descriptor of its process
    SO_PASSRIGHTS 83 bool take open files from the peer
    """
)

_IP = _rows(
    """
    IP_TTL 2 - how many routers a packet may pass
    IP_TOS 1 - how urgent packets are (DSCP, RFC 2474), and marks of congestion
    IP_MTU 14 bytes the largest packet on the way to the peer, as far as is known
    IP_MTU_DISCOVER 10 - may packets be cut on the way? 0 yes, 1 mostly not, 2 never
    IP_RECVERR 11 bool keep errors of the network for whoever asks
    IP_PKTINFO 8 bool tell with each message where it was sent to, and by which interface
    IP_RECVTTL 12 bool tell with each message the TTL that it has left
    IP_RECVTOS 13 bool tell with each message how urgent it is
    IP_MINTTL 21 - drop what has a smaller TTL: it comes from too far (RFC 5082)
    IP_FREEBIND 15 bool bind an address that this machine does not have yet
    IP_TRANSPARENT 19 bool take what is for others' addresses, as proxies do
    IP_BIND_ADDRESS_NO_PORT 24 bool choose the port when connecting, not when binding
    IP_LOCAL_PORT_RANGE 51 range where the system chooses a port; 0 to 0: as set for all
    IP_MULTICAST_TTL 33 - how many routers what is sent to a group may pass
    IP_MULTICAST_LOOP 34 bool hear on this machine what is sent to a group from it
    IP_MULTICAST_IF 32 ipv4 by which interface's address to send to groups; 0.0.0.0: any
    IP_MULTICAST_ALL 49 bool hear groups that other programs have joined
    IP_RECVORIGDSTADDR 20 bool tell where a redirected message was to go
    """
)

_IPV6 = _rows(
    """
    IPV6_V6ONLY 26 bool IPv6 alone; off, a socket on :: takes IPv4 too
    IPV6_UNICAST_HOPS 16 - how many routers a packet may pass
    IPV6_TCLASS 67 - how urgent packets are (DSCP, RFC 2474), and marks of congestion
    IPV6_MTU 24 bytes the largest packet on the way to the peer, as far as is known
    IPV6_MTU_DISCOVER 23 - may the sender cut packets? 0 yes, 1 mostly not, 2 never
    IPV6_DONTFRAG 62 bool refuse what does not fit into one packet
    IPV6_RECVERR 25 bool keep errors of the network for whoever asks
    IPV6_RECVPKTINFO 49 bool tell with each message where it was sent to
    IPV6_RECVHOPLIMIT 51 bool tell with each message the hops that it has left
    IPV6_RECVTCLASS 66 bool tell with each message how urgent it is
    IPV6_MINHOPCOUNT 73 - drop what has fewer hops left: it comes from too far
    IPV6_AUTOFLOWLABEL 70 bool give each connection a label by which routers tell it apart
    IPV6_ADDR_PREFERENCES 72 - which own address to prefer, in bits (RFC 5014)
    IPV6_FREEBIND 78 bool bind an address that this machine does not have yet
    IPV6_TRANSPARENT 75 bool take what is for others' addresses, as proxies do
    IPV6_MULTICAST_HOPS 18 - how many routers what is sent to a group may pass
    IPV6_MULTICAST_LOOP 19 bool hear on this machine what is sent to a group from it
    IPV6_MULTICAST_IF 17 - the number of the interface to send to groups by; 0: any
    IPV6_MULTICAST_ALL 29 bool hear groups that other programs have joined
    """
)

SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6 = 1, 0, 6, 17, 41

LEVELS = {
    one.name: one
    for one in (
        Level("socket", SOL_SOCKET, "INET", "STREAM", "socket(7)", _SOCKET),
        Level("tcp", IPPROTO_TCP, "INET", "STREAM", "tcp(7)", _TCP),
        Level("udp", IPPROTO_UDP, "INET", "DGRAM", "udp(7)", _UDP),
        Level("unix", SOL_SOCKET, "UNIX", "STREAM", "unix(7)", _UNIX),
        Level("ip", IPPROTO_IP, "INET", "DGRAM", "ip(7)", _IP),
        Level("ipv6", IPPROTO_IPV6, "INET6", "DGRAM", "ipv6(7)", _IPV6),
    )
}
"""What can be asked for by name."""
