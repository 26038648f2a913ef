"""Functions: which connections each of them uses."""

from dataclasses import dataclass
from http import HTTPStatus

from connhub.errors import Refusal

from .declaring import Sort
from .models import Function

# A call names the function by it, and so do addresses.
NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"


class FunctionNameTaken(Refusal):
    code = "function-name-taken"
    text = "This function name can't be used. Choose another."


class FunctionGone(Refusal):
    code = "function-gone"
    text = "This function was deleted meanwhile. Reload the page."


class NoSuchFunction(Refusal):
    code = "no-such-function"
    text = "The key's integration has no function of this name. Check the name."
    status = HTTPStatus.NOT_FOUND


@dataclass(frozen=True, slots=True)
class DeclaredUse:
    """The link name of a connection that a function uses."""

    connection: str

    @property
    def key(self) -> str:
        return self.connection


# Its uses are named on record by the connections that they go over.
SORT = Sort(
    Function,
    uses="uses",
    use=DeclaredUse,
    taken=FunctionNameTaken,
    gone=FunctionGone,
    absent=NoSuchFunction,
    saved="function.saved",
    deleted="function.deleted",
    transferred="function.transferred",
    reserved=("new",),
    is_known_everywhere=False,
)
