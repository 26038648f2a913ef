"""What templates ask about drivers."""

from django import template

from ..databases import DRIVERS

register = template.Library()


@register.filter
def test_does(driver: str) -> str:
    """What the test of a driver's connections does, as one sentence or two."""
    return DRIVERS[driver].does
