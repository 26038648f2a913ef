"""Events in plain words, without the one who acted and what it happened to."""

SENTENCES = {
    "account.set_up": "Set ConnHub up",
    "person.signed_in": "Signed in",
    "person.signed_out": "Signed out",
    "person.sign_in_failed": "Failed to sign in",
    "person.renamed": "Changed their name",
    "person.deactivated": "Account deactivated",
    "person.deleted": "Account deleted",
    "person.password_changed": "Changed their password",
    "environment.added": "Environment added",
    "environment.renamed": "Environment renamed",
    "environment.moved": "Order of environments changed",
    "environment.removed": "Environment removed",
    "catalogue.loaded": "Catalogue loaded",
    "service.created": "Service created",
    "service.edited": "Service edited",
    "service.listed": "Service listed",
    "service.unlisted": "Service unlisted",
    "service.deleted": "Service deleted",
    "oauth_app.created": "OAuth app set",
    "oauth_app.changed": "OAuth app changed",
    "oauth_app.removed": "OAuth app removed",
    "oauth_app.withdrawn": "Shared OAuth app withdrawn: the catalogue names other addresses",
    "egress.exception_used": "Reached an address that the operator allows",
    "connection.created": "Created",
    "connection.renamed": "Renamed",
    "connection.edited": "Edited",
    "connection.connected": "Connected",
    "connection.authorization_started": "Went to the service to authorize",
    "connection.authorize_failed": "Authorization failed",
    "connection.other_account": "Somebody signed in with another account; nothing changed yet",
    "connection.other_account_declined": "Another account was not taken",
    "connection.account_changed": "Changed over to another account",
    "connection.user_connected": "Signed in with their own account",
    "connection.user_disconnected": "Sign-in removed",
    "connection.login_user_on": "Turned to the credentials of login users",
    "connection.login_user_off": "Turned from the credentials of login users",
    "connection.reopened": "Opened again for sign-ins",
    "connection.renewed": "Token renewed",
    "connection.renewal_failed": "Token not renewed",
    "connection.reconnect_needed": "Lost its authorization",
    "connection.tested": "Tested",
    "connection.operation_tried": "Tried an operation",
    "connection.reconnected": "Reconnected with new credentials",
    "connection.environment_set": "Got settings of its own in one environment",
    "connection.environment_dropped": "Gave up its own settings in one environment",
    "connection.disabled": "Disabled",
    "connection.enabled": "Enabled",
    "connection.revoked": "Revoked",
    "connection.revoked_at_provider": "Revocation at the service",
    "connection.deleted": "Deleted",
    "connection.made_available": "Audience changed",
    "connection.replaced": "Replaced by another connection",
    "connection.took_over": "Took over from another connection",
    "connection.restored": "Restored, without its secret",
    "connection.duplicated": "Duplicated",
    "connection.tagged": "Tags changed",
    "connection.exported": "Exported",
    "connection.imported": "Imported",
    "import.refused": "A file to import was refused",
    "bulk_test.started": "Started testing several connections",
    "import.failed": "An import failed",
    "connection.registered": "Registered with an integration",
    "connection.deregistered": "Deregistered from an integration",
    "credential.read": "Credential fetched by a flow",
    "credential.first_used": "First used by a flow",
    "integration.created": "Integration created",
    "project.created": "Project created",
    "member.added": "Member added",
    "member.removed": "Member removed",
    "key.issued": "Integration key issued",
    "key.revoked": "Integration key revoked",
    "flow.saved": "Flow saved",
}


def sentence(action: str, outcome: str, detail: dict) -> str:
    """What happened, in a few words, with who, how long or what was said where that matters."""
    words = SENTENCES.get(action, action)
    if "took_ms" in detail:
        words += f", {detail['took_ms']} ms"
    if "user" in detail:
        words += f" ({detail['user']})"
    if "account" in detail:
        words += f" ({detail['account']})"
    if "said" in detail:
        words += f": {detail['said']}"
    return f"{words}, {outcome}" if outcome == "failed" and "failed" not in words.lower() else words
