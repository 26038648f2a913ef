"""Events in plain words: what was done, after the name of who did it. `{}` is what it happened to."""

SENTENCES = {
    "account.set_up": "set ConnHub up",
    "account.setup_refused": "refused a setup code",
    "account.backed_up": "wrote a backup",
    "account.restored": "was restored from a backup",
    "person.signed_in": "signed in",
    "person.signed_out": "signed out",
    "person.sign_in_failed": "refused a sign-in to {}",
    "person.renamed": "changed the name of {}",
    "person.deactivated": "deactivated the account of {}",
    "person.deleted": "deleted the account of {}",
    "person.password_changed": "changed the password of {}",
    "person.role_changed": "changed the role of {}",
    "person.reactivated": "reactivated the account of {}",
    "person.letters_chosen": "chose which letters {} gets",
    "person.joined": "joined",
    "person.reset_asked": "asked for a link to a new password for {}",
    "person.password_reset": "set a new password by a link",
    "person.reset_refused": "refused a link to a new password",
    "person.sso_failed": "refused a single sign-on",
    "person.identity_linked": "signed in by single sign-on for the first time",
    "account.second_factor_required": "required a second factor of all",
    "account.second_factor_optional": "no longer required a second factor",
    "invitation.sent": "invited {}",
    "invitation.sent_again": "invited {} once more",
    "invitation.withdrawn": "withdrew the invitation of {}",
    "invitation.refused": "refused the link of an invitation",
    "session.ended": "ended a session of {}",
    "session.others_ended": "ended the other sessions of {}",
    "admin_token.issued": "issued the admin token {}",
    "admin_token.revoked": "revoked the admin token {}",
    "admin_token.refused": "refused calls with an unknown admin token",
    "second_factor.switched_on": "switched the second factor on",
    "second_factor.switched_off": "switched the second factor off",
    "second_factor.codes_renewed": "made new recovery codes",
    "second_factor.code_used": "signed in with a recovery code",
    "second_factor.reset": "reset the second factor of {}",
    "letter.dropped": "could not deliver the e-mail {}",
    "team.created": "created the team {}",
    "team.renamed": "renamed the team {}",
    "team.member_added": "added {whom} to the team {}",
    "team.member_removed": "took {whom} from the team {}",
    "team.deleted": "deleted the team {}",
    "environment.added": "added the environment {}",
    "environment.renamed": "renamed the environment {}",
    "environment.moved": "moved the environment {} in the order",
    "environment.removed": "removed the environment {}",
    "catalogue.loaded": "loaded the catalogue",
    "service.created": "created the service {}",
    "service.edited": "edited the service {}",
    "service.listed": "listed the service {}",
    "service.unlisted": "unlisted the service {}",
    "service.deleted": "deleted the service {}",
    "service.shared": "shared {} with {whom}",
    "service.unshared": "took {} from {whom}",
    "service.transferred": "transferred {} from {from} to {whom}",
    "service.shared_to_self": "shared {} to themself, as a super admin",
    "service.self_share_undone": "undid the share of {} to themself",
    "service.tested": "tested the definition of a service",
    "oauth_app.created": "set the OAuth app of {}",
    "oauth_app.changed": "changed the OAuth app of {}",
    "oauth_app.removed": "removed the OAuth app of {}",
    "oauth_app.withdrawn": "withdrew the shared OAuth app of {}: the catalogue names other addresses",
    "egress.exception_used": "reached an address that the operator allows",
    "audit.read": "read the audit log",
    "audit.exported": "exported the audit log",
    "access.denied": "was kept from {}",
    "change.refused": "could not change {}",
    "call.denied": "was refused a call to {}",
    "connection.created": "created {}",
    "connection.renamed": "renamed {}",
    "connection.edited": "edited {}",
    "connection.connected": "connected {}",
    "connection.authorization_started": "went to the service to authorize {}",
    "connection.authorize_failed": "could not authorize {}",
    "connection.other_account": "signed in to {} with another account; nothing changed yet",
    "connection.other_account_declined": "kept the account of {}",
    "connection.account_changed": "changed {} over to another account",
    "connect_link.created": "made a connect link for {}",
    "connect_link.opened": "was opened to connect {}",
    "connect_link.used": "connected {}",
    "connect_link.failed": "tried to connect {}",
    "connect_link.refused": "refused a connect link",
    "connect_link.withdrawn": "withdrew a connect link to {}",
    "connection.user_connected": "signed in to {} with an account of their own",
    "connection.user_disconnected": "removed a sign-in to {}",
    "connection.login_user_on": "turned {} to the credentials of login users",
    "connection.login_user_off": "turned {} from the credentials of login users",
    "connection.reopened": "opened {} again for sign-ins",
    "connection.renewed": "renewed the token of {}",
    "connection.renewal_failed": "tried to renew the token of {}",
    "connection.reconnect_needed": "found that {} lost its authorization",
    "connection.secret_unreadable": "found that the secret of {} can't be opened",
    "connection.secret_readable": "found that the secret of {} can be opened again",
    "connection.tested": "tested {}",
    "connection.operation_tried": "tried a {method} operation of {}",
    "connection.call_tried": "tried a {method} call over {}",
    "connection.try_ended": "saw what came of a {method} call over {}",
    "connection.reconnected": "reconnected {} with new credentials",
    "connection.next_secret_given": "gave the next value of the secret of {}",
    "connection.next_secret_tested": "tested the next value of the secret of {}",
    "connection.next_secret_discarded": "destroyed the next value of the secret of {}",
    "connection.secret_switched": "switched {} to the next value of its secret",
    "connection.secret_rolled_back": "rolled {} back to the old value of its secret",
    "connection.old_secret_destroyed": "destroyed the old value of the secret of {}",
    "connection.environment_set": "gave {} settings of its own in one environment",
    "connection.environment_dropped": "took from {} its own settings in one environment",
    "connection.disabled": "disabled {}",
    "connection.enabled": "enabled {}",
    "connection.revoked": "revoked {}",
    "connection.revoked_at_provider": "asked the service to revoke {}",
    "connection.deleted": "deleted {}",
    "connection.made_available": "changed the audience of {}",
    "connection.replaced": "replaced {} by another connection",
    "connection.took_over": "let {} take over from another connection",
    "connection.restored": "restored {}, without its secret",
    "connection.duplicated": "made {} as a duplicate",
    "connection.tagged": "changed the tags of {}",
    "connection.shared": "shared {} with {whom}",
    "connection.unshared": "took {} from {whom}",
    "connection.transferred": "transferred {} from {from} to {whom}",
    "connection.reauthorization_asked": "asked the admins of {} to authorize it anew",
    "connection.shared_to_self": "shared {} to themself, as a super admin",
    "connection.self_share_undone": "undid the share of {} to themself",
    "connection.exported": "exported {}",
    "connection.imported": "imported {}",
    "connection.registered": "registered {} with an integration",
    "connection.deregistered": "deregistered {} from an integration",
    "import.refused": "gave a file to import that was refused",
    "import.failed": "began an import that failed",
    "vault_key.made": "made the vault key {}",
    "vault_key.rotation_started": "started to seal everything with the vault key {}",
    "vault_key.rotation_ended": "ended the rotation to the vault key {}",
    "vault_key.retired": "retired the vault key {}",
    "bulk_test.started": "started testing several connections",
    "credential.read": "fetched the credential of {}",
    "credential.first_used": "used {} for the first time",
    "credential.redacted": "was spared the credential of {}, which the service sent back",
    "credential.looked_at": "looked at the state of the credential of {}",
    "integration.shared": "shared {} with {whom}",
    "integration.unshared": "took {} from {whom}",
    "integration.transferred": "transferred {} from {from} to {whom}",
    "integration.shared_to_self": "shared {} to themself, as a super admin",
    "integration.self_share_undone": "undid the share of {} to themself",
    "integration.created": "created the integration {}",
    "integration.edited": "edited the integration {}",
    "integration.deleted": "deleted the integration {}",
    "project.created": "created the project {}",
    "project.renamed": "renamed the project {}",
    "project.deleted": "deleted the project {}",
    "member.added": "added a member to {}",
    "member.removed": "removed a member from {}",
    "key.issued": "issued the integration key {}",
    "key.rotated": "issued a key to take the place of the integration key {}",
    "key.revoked": "revoked the integration key {}",
    "key.refused": "refused calls with an unknown integration key",
    "flow.saved": "saved the flow {}",
    "flow.attached": "attached the flow {} to an integration",
    "flow.detached": "detached the flow {} from an integration",
    "flow.transferred": "transferred the flow {} from {from} to {whom}",
    "flow.deleted": "deleted the flow {}",
    "app.saved": "saved the app {}",
    "app.transferred": "transferred the app {} from {from} to {whom}",
    "app.deleted": "deleted the app {}",
    "function.saved": "saved the function {}",
    "function.transferred": "transferred the function {} from {from} to {whom}",
    "function.deleted": "deleted the function {}",
}
KINDS = {
    "connection": "Connections",
    "connect_link": "Connect links",
    "credential": "Secrets handed out and used",
    "call": "Refused calls",
    "access": "Denied access",
    "change": "Refused changes",
    "person": "People and sign-in",
    "invitation": "Invitations",
    "session": "Sessions",
    "admin_token": "Admin tokens",
    "second_factor": "Second factor",
    "team": "Teams",
    "letter": "E-mails",
    "account": "The account",
    "environment": "Environments",
    "service": "Services",
    "oauth_app": "OAuth apps",
    "catalogue": "The catalogue",
    "integration": "Integrations",
    "project": "Projects",
    "member": "Members",
    "key": "Integration keys",
    "flow": "Flows",
    "app": "Apps and their data objects",
    "function": "Functions",
    "import": "Imports",
    "bulk_test": "Bulk tests",
    "vault_key": "Vault keys",
    "egress": "Allowed private addresses",
    "audit": "Reads of this log",
}
OUTCOMES = {"ok": "Done", "failed": "Failed", "denied": "Denied"}
# Facts worth reading in the sentence, in this order.
TOLD = (
    "environment", "user", "account", "member", "integration", "to", "with", "from", "was", "host",
    "why", "link_name", "code", "path", "status", "filters", "format", "file", "made_at",
)  # fmt: skip
NAMED = ("from", "whom", "method")  # where a sentence has a place for them
ENDINGS = {"failed": ", which failed", "denied": ", which was denied"}
PLAIN_ENOUGH = ("access.", "change.", "call.")  # that it came to nothing is said already


def kind_of(action: str) -> str:
    """The group that an action belongs to: what stands before its dot."""
    return action.partition(".")[0]


def kind_label(kind: str) -> str:
    return KINDS.get(kind, kind.replace("_", " ").capitalize())


def action_label(action: str) -> str:
    """An action by itself, for a list to choose from: "Revoked …"."""
    words = SENTENCES.get(action, action).replace("{}", "…")
    for name in NAMED:
        words = words.replace(f"{{{name}}}", "…")
    return words[:1].upper() + words[1:]


def around(action: str, outcome: str, detail: dict) -> tuple[str, str, str]:
    """The words before what it happened to, between, and after: ("revoked ", "{}", ", …")."""
    words = SENTENCES.get(action, action)
    before, slot, after = (_with_names(part, detail) for part in words.partition("{}"))
    after += _told(
        {name: fact for name, fact in detail.items() if f"{{{name}}}" not in words}
    ) + _ending(action, outcome, words)
    if detail.get("rotation") == "ended":
        after += ", which ended a rotation"
    if "admin_token" in detail:
        after += f", by the admin token {detail['admin_token']}"
    if "said" in detail:
        after += f": {detail['said']}"
    return before, slot, after


def _with_names(part: str, detail: dict) -> str:
    for name in NAMED:
        part = part.replace(f"{{{name}}}", str(detail.get(name, "somebody")))
    return part


def _told(detail: dict) -> str:
    facts = [str(detail[name]) for name in TOLD if detail.get(name)]
    if "times" in detail:
        facts.append(f"{detail['times']} times")
    if "took_ms" in detail:
        facts.append(f"{detail['took_ms']} ms")
    return f" ({', '.join(facts)})" if facts else ""


def _ending(action: str, outcome: str, words: str) -> str:
    if action.startswith(PLAIN_ENOUGH) or "fail" in words or "refused" in words:
        return ""
    return ENDINGS.get(outcome, "")
