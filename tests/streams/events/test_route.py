"""From URLs to routes."""

import pytest

from streams.events.route import host, route


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/orders/1234?x=1#top", "/orders/:id"),
        ("https://shop.example", "/"),
        ("/a/b", "/a/b"),
        ("/u/3fa85f64-5717-4562-b3fc-2c963f66afa6/edit", "/u/:id/edit"),
        ("/c/9f86d081884c7d659a2f", "/c/:id"),
        ("/t/eyJhbGciOiJIUzI1NiIsInR5cCI6", "/t/:id"),
        ("/about-our-company-and-people", "/about-our-company-and-people"),
        ("/v2/items", "/v2/items"),
        ("http://[broken/a/1?q", "http://[broken/a/:id"),
    ],
)
def test_a_route_has_no_query_no_fragment_and_no_ids(url: str, expected: str) -> None:
    """Personal data and endless values stay out of the figures."""
    assert route(url) == expected


def test_a_route_is_as_long_as_a_dimension_may_be() -> None:
    """128 characters."""
    assert len(route("/x" * 500)) == 128


def test_the_host_is_lower_case_without_port() -> None:
    """Or nothing, where there is none."""
    assert host("https://Shop.example:8443/a") == "shop.example"
    assert host("/a") == host("mailto:a@example.com") == ""
