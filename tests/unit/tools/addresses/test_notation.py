from __future__ import annotations

import pickle

import pytest

from jackfield.errors import NotationError
from jackfield.tools.addresses.notation import MOST, MOST_ZONE, Length, read


@pytest.mark.parametrize(
    ("text", "address", "network", "length_as", "integer"),
    [
        ("192.168.1.10", "192.168.1.10", "192.168.1.10/32", Length.NONE, False),
        ("192.168.1.10/24", "192.168.1.10", "192.168.1.0/24", Length.PREFIX, False),
        ("192.168.1.10/255.255.255.0", "192.168.1.10", "192.168.1.0/24", Length.MASK, False),
        ("192.168.1.10/0.0.0.255", "192.168.1.10", "192.168.1.0/24", Length.WILDCARD, False),
        ("10.0.0.1/0.0.0.0", "10.0.0.1", "0.0.0.0/0", Length.MASK, False),
        ("10.0.0.1/255.255.255.255", "10.0.0.1", "10.0.0.1/32", Length.MASK, False),
        ("3232235786", "192.168.1.10", "192.168.1.10/32", Length.NONE, True),
        ("0xC0A8010a/16", "192.168.1.10", "192.168.0.0/16", Length.PREFIX, True),
        ("0", "0.0.0.0", "0.0.0.0/32", Length.NONE, True),
        ("4294967296", "::1:0:0", "::1:0:0/128", Length.NONE, True),
        ("2001:DB8::1", "2001:db8::1", "2001:db8::1/128", Length.NONE, False),
        ("fe80::1%eth0/64", "fe80::1%eth0", "fe80::/64", Length.PREFIX, False),
        ("::ffff:192.0.2.1", "::ffff:c000:201", "::ffff:c000:201/128", Length.NONE, False),
        ("1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201", None, Length.NONE, False),
        ("::", "::", "::/128", Length.NONE, False),
        ("1::", "1::", "1::/128", Length.NONE, False),
    ],
)
def test_what_is_right_is_read(
    text: str, address: str, network: str | None, length_as: Length, integer: bool
) -> None:
    found = read(text)
    assert str(found.address).replace("192.0.2.1", "c000:201") == address
    assert network in {None, str(found.network).replace("192.0.2.1", "c000:201")}
    assert (found.text, found.length_as, found.integer) == (text, length_as, integer)


@pytest.mark.parametrize(
    ("text", "part", "why"),
    [
        ("192.168.256.1", "256", "the third octet is 256; eight bits hold 0 to 255"),
        ("192.168.1000.1", "1000", "the third octet is 1000"),
        ("192.168.010.1", "010", "begins with 0, by which some programs mean octal; write 10"),
        ("192.168.00.1", "00", "write 0"),
        ("192.168..1", ".", "the third octet is missing"),
        (".1.2.3", ".", "the first octet is missing"),
        ("192.168.1", "", "there are 3 octets; IPv4 has four"),
        ("192.", "", "the second octet is missing"),
        ("1.2.3.4.5", "5", "there are 5 octets; IPv4 has four"),
        ("1.2.3.4.5.6", "5.6", "there are 6 octets"),
        ("1.2.3.-4", "-", "the fourth octet has '-' in it, which is no digit"),
        ("1.2.3.\u0664", "\u0664", "which is no digit"),
        ("", "", "there is no address"),
        ("/24", "/", "there is no address"),
        ("1.2.3.4 /24", " ", "there is a space"),
        ("example.org", "example.org", "that is a name; jackfield resolve looks it up"),
        ("7.example.org/24", "7.example.org", "that is a name"),
        ("3com", "3com", "that is a name"),
        ("1.2.3.x", "x", "the fourth octet has 'x' in it, which is no digit"),
        ("192.168.l.10", "l", "the third octet has 'l' in it, which is no digit"),
        ("192.168.1.1o", "o", "the fourth octet has 'o' in it, which is no digit"),
        ("http://1.2.3.4/", "http://", "that is a URL"),
        ("[::1]", "[", "brackets are for addresses in URLs"),
        ("1.2.3.4%eth0", "%eth0", "IPv4 addresses have no zone"),
        ("1.2.3.4/33", "33", "a prefix of IPv4 has 0 to 32 bits"),
        ("1.2.3.4/", "/", "the length is missing: after / stands 0 to 32"),
        ("1.2.3.4/2x", "x", "after / stands the length of the prefix"),
        ("1.2.3.4/24/8", "/8", "after / stands the length of the prefix"),
        ("1.2.3.4/-1", "-1", "after / stands the length of the prefix"),
        ("1.2.3.4/255.0.255.0", "255", "bit 17, in the third octet, is one after a zero"),
        ("1.2.3.4/255.255.253.0", "253", "bit 24, in the third octet, is one after a zero"),
        ("1.2.3.4/0.255.0.0", "255", "bit 9, in the second octet, is one after a zero"),
        ("1.2.3.4/255.255.256.0", "256", "the third octet is 256"),
        ("1.2.3.4/255.255.255", "", "there are 3 octets"),
        ("::1/129", "129", "a prefix of IPv6 has 0 to 128 bits"),
        ("::1/ffff::", "ffff::", "after / stands the length of the prefix"),
        ("::1/255.0.0.0", "255.0.0.0", "IPv6 has no masks with dots"),
        ("1:2:3", "", "there are 3 groups; IPv6 has eight, or :: for those that are zero"),
        ("1:2:3:4:5:6:7:8:9", "9", "there are too many groups; IPv6 has eight groups"),
        ("1:2:3:4::5:6:7:8", "8", "at most seven groups beside ::"),
        ("1::2::3", "::", "a second ::"),
        ("1:::2", ":::", "three colons in a row"),
        (":1::2", ":", "a single colon at the beginning"),
        ("1::2:", ":", "a single colon at the end"),
        ("2001:db8::12345", "12345", "a group of 5 digits; sixteen bits are four at most"),
        ("2001:dg8::1", "g", "'g' is no hexadecimal digit"),
        ("::1.2.3.4:1", "1.2.3.4", "IPv4 may stand at the end of an IPv6 address alone"),
        ("::1.2.3.400", "400", "the fourth octet is 400"),
        ("1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4", "IPv4 takes the place of two groups"),
        ("fe80::1%", "%", "the zone is missing"),
        ("fe80::1%a%b", "%", "'%' cannot be in a zone"),
        ("fe80::1%\x1b[2J", "\x1b", "cannot be in a zone"),
        (str(1 << 128), str(1 << 128), "past 2^128 - 1"),
        ("0x1" + "0" * 32, "0x1" + "0" * 32, "past 2^128 - 1"),
        ("fe80::1%" + "a" * (MOST_ZONE + 2), "aa", "a zone has 64 characters at most"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, part: str, why: str) -> None:
    with pytest.raises(NotationError) as caught:
        read(text)
    error = caught.value
    assert why in str(error)
    assert str(error).startswith(f"{text or '(nothing)'}: ")
    assert (error.value, text[error.start : error.end]) == (text, part)
    assert error.start < error.end


def test_where_something_is_missing_the_mark_stands_behind() -> None:
    with pytest.raises(NotationError) as caught:
        read("192.168.1/24")
    assert (caught.value.start, caught.value.end) == (9, 10)


def test_what_is_too_long_is_not_even_looked_at() -> None:
    read("1.2.3.4/" + "0" * 2)
    with pytest.raises(NotationError, match=f"has {MOST + 1} characters: that is no address"):
        read("1" * (MOST + 1))


def test_the_error_can_be_pickled() -> None:
    error = NotationError("it is wrong", "1.2.3.x", 6, 7)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    assert (str(again), again.value, again.start, again.end) == ("it is wrong", "1.2.3.x", 6, 7)
