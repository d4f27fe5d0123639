"""Only addresses of the public internet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from addons.core.web_search.addresses import is_public

PRIVATE = (
    "127.0.0.1", "127.8.8.8", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
    "192.0.0.192", "198.18.0.1", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2001:0:7f00:1::", "fec0::1", "168.63.129.16", "::ffff:168.63.129.16", "", "localhost", "1", "0x7f.1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


def test_private_addresses_are_refused_in_every_form() -> None:
    assert [each for each in PRIVATE if is_public(each)] == []


def test_public_addresses_are_accepted() -> None:
    assert [each for each in PUBLIC if not is_public(each)] == []


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="169.254.0.0/16"))
def test_no_form_of_a_private_address_is_public(address: object) -> None:
    forms = (f"{address}", f"::ffff:{address}", f"64:ff9b::{address}")
    assert not any(map(is_public, forms))
