"""Pages where super admins make, rename, fill, empty and delete teams."""

from django import forms
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from connhub.forms import NO_CONTROLS
from connhub.htmx import changed, sent_to, wants_fragment
from connhub.paging import Order, page

from . import teams
from .models import Team, User
from .permissions import require
from .picking import PickForm
from .reauthentication import recently_authenticated

PER_PAGE, BY_NAME = 50, Order("name", "name", "pk")


class TeamForm(forms.Form):
    """What a team is called."""

    name = forms.CharField(label="Team name", max_length=80, validators=[NO_CONTROLS])

    def __init__(self, *args, team: Team | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.team = team

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if teams.is_taken(name, but=self.team):
            raise forms.ValidationError(teams.TeamNameTaken.text)
        return name


@require_safe
@vary_on_headers("HX-Request")
def listing(request):
    require(request.user, "team.change")
    context = {"page": page(teams.with_sizes(), BY_NAME, request.GET, PER_PAGE)}
    template = "_teams.html" if wants_fragment(request) else "teams.html"
    return render(request, f"accounts/{template}", context)


@require_http_methods(["GET", "POST"])
def new(request):
    require(request.user, "team.change")
    form = TeamForm(request.POST or None)
    if form.is_valid():
        made = teams.create(form.cleaned_data["name"], by=request.user)
        return sent_to(request, _url(made), message=f"{made} is made. Add its people.")
    return render(request, "accounts/team_form.html", {"form": form})


@require_safe
@vary_on_headers("HX-Request")
def detail(request, public_id):
    team = _team(request, public_id)
    people = page(team.user_set.all(), BY_NAME, request.GET, PER_PAGE)
    context = {"team": team, "page": people, "size": team.user_set.count()}
    template = "_members.html" if wants_fragment(request) else "team.html"
    return render(request, f"accounts/{template}", context)


@require_http_methods(["GET", "POST"])
def rename(request, public_id):
    team = _team(request, public_id)
    form = TeamForm(request.POST or None, initial={"name": team.name}, team=team)
    if form.is_valid():
        teams.rename(team, to=form.cleaned_data["name"], by=request.user)
        return sent_to(request, _url(team), message="Renamed.")
    return render(request, "accounts/team_form.html", {"form": form, "team": team})


@require_http_methods(["GET", "POST"])
@recently_authenticated
def add_members(request, public_id):
    team = _team(request, public_id)
    outside = User.objects.exclude(groups=team)
    form = PickForm(request.POST or None, people=outside)
    is_final = request.method == "POST" and "search" not in request.POST
    if is_final and form.is_valid():
        added = teams.add_members(team, form.cleaned_data["who"], by=request.user)
        said = f"{', '.join(map(str, added))} joined." if added else "They were in it already."
        return changed(request, "team", then=_url(team), message=said)
    context = {"team": team, "form": form, "show_errors": is_final}
    return render(request, "accounts/add_team_members.html", context)


@require_http_methods(["GET", "POST"])
def remove_member(request, public_id, person):
    team = _team(request, public_id)
    member = get_object_or_404(team.user_set, public_id=person)
    if request.method == "POST":
        teams.remove_member(team, member, by=request.user)
        return changed(request, "team", then=_url(team), message=f"{member} left {team}.")
    return render(request, "accounts/remove_team_member.html", {"team": team, "member": member})


@require_http_methods(["GET", "POST"])
def delete(request, public_id):
    team = _team(request, public_id)
    if request.method == "POST":
        teams.delete(team, by=request.user)
        return changed(request, "team", then="accounts:teams", message=f"{team} is deleted.")
    return render(request, "accounts/delete_team.html", {"team": team})


def _team(request, public_id):
    require(request.user, "team.change")
    return get_object_or_404(teams.with_sizes(), public_id=public_id)


def _url(team):
    return reverse("accounts:team", args=[team.public_id])
