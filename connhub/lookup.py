"""How a view finds what a URL's query names."""

from django.http import Http404
from django.shortcuts import get_object_or_404


def named_or_404(things, **names: str):
    """The one of `things` that has these names; a NUL, which PostgreSQL refuses, is in none."""
    if any("\0" in name for name in names.values()):
        raise Http404
    return get_object_or_404(things, **names)
