from .account import (
    add_environment,
    environments,
    move_environment,
    remove_environment,
    rename_environment,
    settings_page,
    sign_in_rules,
)
from .admin_tokens import (
    admin_tokens,
    admin_tokens_of,
    issue_admin_token,
    revoke_admin_token,
)
from .coming_in import (
    forgotten_password,
    invitation,
    invitation_link,
    new_password,
    reset_link,
)
from .entering import SignIn, first_run, locked_out, sign_in_code, sign_out
from .factor import (
    confirm_second_factor,
    recovery_codes,
    second_factor,
    second_factor_off,
)
from .people import (
    change_role,
    deactivate,
    invite,
    people,
    person,
    reactivate,
    reset_factor,
    reset_password,
    send_invitation,
    withdraw_invitation,
)
from .profile import (
    end_other_sessions,
    end_session,
    letters,
    password,
    profile,
    sessions,
)
from .single_sign_on import callback as sso_callback
from .single_sign_on import failed as sso_failed
from .single_sign_on import start as sso
from .vault_keys import rotate_vault_keys, vault_keys

__all__ = [
    "SignIn", "add_environment", "admin_tokens", "admin_tokens_of", "change_role",
    "confirm_second_factor", "deactivate", "end_other_sessions", "end_session", "environments",
    "first_run", "forgotten_password", "invitation", "invitation_link", "invite",
    "issue_admin_token", "letters", "locked_out", "move_environment", "new_password", "password",
    "people", "person", "profile", "reactivate", "recovery_codes", "remove_environment",
    "rename_environment", "reset_factor", "reset_link", "reset_password", "revoke_admin_token",
    "rotate_vault_keys",     "second_factor", "second_factor_off", "send_invitation", "sessions", "settings_page",
    "sign_in_code", "sign_in_rules", "sign_out", "sso", "sso_callback", "sso_failed",
    "vault_keys", "withdraw_invitation",
]  # fmt: skip
