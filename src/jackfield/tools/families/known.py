"""Address families and types of sockets, and what each is for: socket(2), address_families(7).

The numbers are Linux' (linux/socket.h), for families whose names Python's socket module lacks.
"""

from __future__ import annotations

from typing import NamedTuple

STREAM, DGRAM, RAW, RDM, SEQPACKET = "STREAM", "DGRAM", "RAW", "RDM", "SEQPACKET"

TYPES = {
    STREAM: "bytes in order, none lost, and no bounds between messages; with a connection",
    DGRAM: "messages, each by itself: some may be lost, come twice, or in another order",
    RAW: "packets of the protocol itself, header and all",
    RDM: "messages, none lost, in any order",
    SEQPACKET: "messages in order, none lost; with a connection",
}
"""Types of sockets, as POSIX and socket(2) have them."""

NUMBERS = {STREAM: 1, DGRAM: 2, RAW: 3, RDM: 4, SEQPACKET: 5}


class Kind(NamedTuple):
    """One way to open a socket of a family."""

    type: str
    protocol: int
    """0 is the family's own choice."""
    words: str
    """What that gives: TCP for example; "" where type and family say it all."""
    needs: str = ""
    """The right that it takes, where not everybody may."""


class Family(NamedTuple):
    """An address family."""

    name: str
    number: int
    """Of Linux."""
    words: str
    manual: str
    """Where to read on: a manual page, or a document of the kernel's."""
    kinds: tuple[Kind, ...]


_NET_RAW = "CAP_NET_RAW"
_PING = "a group in net.ipv4.ping_group_range"


def _internet(icmp: int, name: str) -> tuple[Kind, ...]:
    """The kinds of IPv4 and of IPv6: numbers by IANA's registry of protocols, 262 by Linux."""
    return (
        Kind(STREAM, 6, "TCP"),
        Kind(STREAM, 262, "MPTCP"),
        Kind(STREAM, 132, "SCTP"),
        Kind(DGRAM, 17, "UDP"),
        Kind(DGRAM, 136, "UDP-Lite"),
        Kind(DGRAM, icmp, f"{name} echo", _PING),
        Kind(RAW, icmp, "any protocol", _NET_RAW),
        Kind(SEQPACKET, 132, "SCTP"),
    )


FAMILIES = (
    Family("INET", 2, "IPv4 (RFC 791)", "ip(7)", _internet(1, "ICMP")),
    Family("INET6", 10, "IPv6 (RFC 8200)", "ipv6(7)", _internet(58, "ICMPv6")),
    Family(
        "UNIX",
        1,
        "programs of one machine, by paths; they may hand each other open files",
        "unix(7)",
        (Kind(STREAM, 0, ""), Kind(DGRAM, 0, ""), Kind(SEQPACKET, 0, "")),
    ),
    Family(
        "NETLINK",
        16,
        "questions to the kernel: interfaces, routes, firewall, devices",
        "netlink(7)",
        (Kind(RAW, 0, ""), Kind(DGRAM, 0, "")),
    ),
    Family(
        "PACKET",
        17,
        "frames of a link as they are: what tcpdump and DHCP need",
        "packet(7)",
        (Kind(RAW, 0, "", _NET_RAW), Kind(DGRAM, 0, "", _NET_RAW)),
    ),
    Family(
        "VSOCK",
        40,
        "a virtual machine and its host, without a network",
        "vsock(7)",
        (Kind(STREAM, 0, ""), Kind(DGRAM, 0, ""), Kind(SEQPACKET, 0, "")),
    ),
    Family(
        "XDP",
        44,
        "frames past the kernel's network code, at the speed of the card",
        "networking/af_xdp",
        (Kind(RAW, 0, "", _NET_RAW),),
    ),
    Family(
        "ALG",
        38,
        "the kernel's own ciphers and hashes",
        "crypto/userspace-if",
        (Kind(SEQPACKET, 0, ""),),
    ),
    Family(
        "CAN",
        29,
        "the bus of cars and machines",
        "networking/can",
        (
            Kind(RAW, 1, "frames"),
            Kind(DGRAM, 2, "BCM"),
            Kind(DGRAM, 6, "ISO-TP"),
            Kind(DGRAM, 7, "J1939"),
        ),
    ),
    Family(
        "BLUETOOTH",
        31,
        "devices nearby, by radio",
        "bluetoothctl(1)",
        (
            Kind(SEQPACKET, 0, "L2CAP"),
            Kind(STREAM, 3, "RFCOMM"),
            Kind(SEQPACKET, 2, "SCO"),
            Kind(RAW, 1, "HCI"),
        ),
    ),
    Family(
        "TIPC",
        30,
        "the machines of one cluster, by names of services",
        "networking/tipc",
        (Kind(STREAM, 0, ""), Kind(DGRAM, 0, ""), Kind(RDM, 0, ""), Kind(SEQPACKET, 0, "")),
    ),
    Family(
        "RDS",
        21,
        "reliable datagrams inside of a cluster, for databases",
        "networking/rds",
        (Kind(SEQPACKET, 0, ""),),
    ),
    Family("SMC", 43, "TCP by shared memory of network cards", "smc(7)", (Kind(STREAM, 0, ""),)),
    Family(
        "KCM",
        41,
        "messages cut out of TCP by the kernel",
        "networking/kcm",
        (Kind(DGRAM, 0, ""), Kind(SEQPACKET, 0, "")),
    ),
    Family(
        "KEY",
        15,
        "keys of IPsec (RFC 2367)",
        "networking/xfrm",
        (Kind(RAW, 2, "PF_KEY", "CAP_NET_ADMIN"),),
    ),
    Family(
        "PPPOX",
        24,
        "PPP over Ethernet, and L2TP: lines of DSL",
        "networking/l2tp",
        (Kind(STREAM, 0, "PPPoE"), Kind(STREAM, 1, "L2TP")),
    ),
    Family(
        "QIPCRTR",
        42,
        "the processors of one chip, in phones",
        "linux/qrtr.h",
        (Kind(DGRAM, 0, ""),),
    ),
    Family(
        "MCTP",
        45,
        "the controllers that manage a server's board",
        "networking/mctp",
        (Kind(DGRAM, 0, ""),),
    ),
    Family("NFC", 39, "tags and phones close by", "networking/nfc", (Kind(SEQPACKET, 0, ""),)),
    Family(
        "IEEE802154",
        36,
        "sensors by radio, as Zigbee and Thread",
        "networking/ieee802154",
        (Kind(DGRAM, 0, ""), Kind(RAW, 0, "", _NET_RAW)),
    ),
    Family(
        "RXRPC",
        33,
        "remote calls of the file system AFS",
        "networking/rxrpc",
        (Kind(DGRAM, 2, "over IPv4"),),
    ),
    Family(
        "LLC",
        26,
        "frames of IEEE 802.2",
        "linux/llc.h",
        (Kind(STREAM, 0, "", _NET_RAW), Kind(DGRAM, 0, "", _NET_RAW)),
    ),
    Family("X25", 9, "packet networks of the 1980s", "x25(7)", (Kind(SEQPACKET, 0, ""),)),
    Family(
        "AX25",
        3,
        "packets by amateur radio",
        "networking/ax25",
        (Kind(SEQPACKET, 0, ""), Kind(DGRAM, 0, "")),
    ),
    Family("APPLETALK", 5, "networks of Macintosh, of old", "ddp(7)", (Kind(DGRAM, 0, ""),)),
    Family(
        "SYSTEM",
        0,
        "questions to the kernel of macOS",
        "sys/sys_domain.h",
        (Kind(DGRAM, 2, "control"),),
    ),
)  # fmt: skip
"""The most used first. A number of 0: not of Linux."""
