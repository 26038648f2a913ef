"""What an environment is to those who connect in it."""

from .models import Environment


def state_of(environment: Environment) -> frozenset[str]:
    return frozenset({"lowest"} if environment.is_lowest else ())
