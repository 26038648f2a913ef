from functools import partial

from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "connhub.usage"

    def ready(self):
        from connhub import context
        from connhub.accounts import people, permissions
        from connhub.accounts.permissions import Who
        from connhub.audit.things import Thing, things
        from connhub.connections import bulk, expiry
        from connhub.connections.create_form import questions
        from connhub.connections.duplicating import copiers
        from connhub.connections.inside import finders
        from connhub.connections.policies import ways_to_use
        from connhub.sharing import kinds, roles

        from . import availability, policies
        from .audience import AvailableTo
        from .bulk import REGISTER
        from .keys_ending import SOURCE
        from .leaving.kinds import left
        from .models import App, Flow, Function, Integration, IntegrationKey, Project
        from .views.looking_up import inside

        permissions.relations[Integration] = {
            Who.ITS_ADMIN: roles.is_admin,
            Who.ITS_MEMBER: policies.is_member,
        }
        permissions.states[Integration] = policies.state_of
        permissions.relations[Project] = {
            Who.ITS_ADMIN: policies.administers_project,
            Who.ITS_MEMBER: policies.belongs_to_project,
        }
        permissions.states[Project] = policies.state_of_project
        for kind in (Flow, App, Function):
            permissions.relations[kind] = {Who.ITS_OWNER: policies.is_owner}
            permissions.states[kind] = policies.state_standing

        context.counted["usage:integrations"] = lambda request: Integration.objects.visible_to(
            request.user
        )
        expiry.sources.append(SOURCE)
        people.left_behind.append(left)
        ways_to_use.append(policies.through_integrations)
        questions.append(AvailableTo())
        copiers.append(availability.copy)
        bulk.ACTIONS[REGISTER.name] = REGISTER
        finders.append(inside)
        kinds.add(
            kinds.Kind(
                model=Integration,
                key="slug",
                live=Integration.objects.all,
                visible_to=lambda user: Integration.objects.visible_to(user).select_related(
                    "project"
                ),
                may="manage the connections, members and keys of",
                loses="may no longer manage",
                stays="Its flows and keys go on working.",
                listing="usage:integrations",
            )
        )
        things["integration"] = Thing(
            Integration.objects.all,
            ("slug", "name"),
            named_in=[
                "integrations/<slug:slug>/",
                "integrations/<slug:key>/share/",
                "api/v1/admin/integrations/<slug:slug>",
            ],
        )
        for kind in (Flow, App, Function):
            here = f"{kind.PAGE}s/<slug:key>/"
            things[kind.PAGE] = Thing(
                partial(kind.objects.select_related, "integration"),
                (kind.KEY,) if kind.KEY == "name" else (kind.KEY, "name"),
                named_in=[f"integrations/<slug:slug>/{here}", here],
            )
        things["project"] = Thing(
            Project.objects.all, ("slug", "name"), named_in=["projects/<slug:slug>/"]
        )
        things["integrationkey"] = Thing(
            IntegrationKey.objects.all,
            ("prefix", "name"),
            named_in=["integrations/<slug:slug>/keys/<uuid:pk>/"],
        )
