"""The inline guide: how a flow uses one connection in one environment, as code to copy."""

from .snippets import Guide, Snippet, begin_with, guide_to

__all__ = ["Guide", "Snippet", "begin_with", "guide_to"]
