"""What people are told, and what they can do about it: the sentences that drivers share."""

Words = tuple[str, str]  # what happened, and what to do about it

TIMED_OUT = (
    "The server did not finish in time.",
    "Check that the port is that of this kind of server, or try again when it is less busy.",
)
CLOSED = (
    "The server closed the connection.",
    "Check that the port is that of this kind of server, and look into the server's log.",
)
NO_TLS = (
    "The server does not offer TLS.",
    "Turn TLS on at the server. ConnHub goes without it only if the connection says so.",
)
TLS_REQUIRED = (
    "The server takes no sign-in without TLS.",
    "Choose TLS in the connection's settings.",
)
WRONG_PASSWORD = (
    "The server does not accept this user and password.",
    "Check both for typing errors, and that the user exists at the server.",
)
UNKNOWN_DATABASE = (
    "There is no such database at the server.",
    "Check the database's name; most servers tell capitals from small letters.",
)
NOT_FROM_HERE = (
    "The server does not let this user in from ConnHub's address.",
    "Ask its administrator to allow the user to sign in from where ConnHub runs.",
)
TOO_MANY = (
    "The server has too many connections open.",
    "Try again later, or ask its administrator for a higher limit.",
)
NOT_READY = ("The server is starting or shutting down.", "Try again in a minute.")
DISCLOSES = (
    "The server asks for the password in a way that would disclose it to others.",
    "Choose TLS with a checked certificate, or another sign-in method at the server.",
)
CONNECTED = "Connected to the checked address."
WITHOUT_TLS = "This connection does without TLS."
INSTALL = "Whoever runs ConnHub can add it: .venv/bin/pip install -e '.[protocols]'"
CHECK_AUTHORITY = "If the server's certificate is from an authority of your own, paste its PEM."
NEEDS_TLS = (
    "The password was not sent: it would go in clear, or to a server whose certificate is unchecked.",
    "Choose TLS with a checked certificate, or ask whoever runs ConnHub to allow this host and port.",
)
REFUSED = ("The server refused this.", "The server's log says why.")
NO_PASSWORD_EITHER = "no password either, unless this address is allowed it"
