"""The environment of a command: the local cloud, or one on Tencent Cloud (`--env`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from deployment.cloud_api import CloudApi, CloudApiError
from deployment.packages import RUNTIME
from deployment.packages import Target as BuildTarget
from deployment.plan import DEFAULT
from deployment.target import Target, tencent_target
from huitou.integrations.functions import answer_in
from huitou.runtime.errors import Unavailable
from huitou.runtime.identity import internal_token
from localcloud.client import LocalCloudClient, connected
from localcloud.target import DEFAULT_DATA

data_option = click.option(
    "--data",
    "data_folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    envvar="HUITOU_DATA",
    help="The local cloud's data folder (default: .huitou/ in the project).",
)


class Place(Protocol):
    """An environment: its target, its build options, and a way to make internal calls."""

    name: str

    @property
    def target(self) -> Target:
        """Return the environment's account and variables."""

    @property
    def build_for(self) -> BuildTarget:
        """Return the Python and platform for which layers must be built."""

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a function as an internal caller, through Tencent's API."""


class TencentPlace:
    """An environment on Tencent Cloud."""

    build_for = RUNTIME

    def __init__(self, target: Target) -> None:
        self.name = target.account.env_id
        self.target = target

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a function as an internal caller, through Tencent's API."""
        account = self.target.account
        secret = self.target.variables.get("HUITOU_INTERNAL_SECRET", "")
        if not secret:
            raise click.ClickException("HUITOU_INTERNAL_SECRET is not set; see deploy --help")
        # Tencent's own client, since an operator may have to go through a proxy.
        told = {**event, "token": internal_token(secret.encode(), function)}
        try:
            result = CloudApi(account).invoke(function, DEFAULT, told)
        except CloudApiError as error:
            raise Unavailable(detail=f"{function}: {error.code}") from error
        return answer_in(function, result)


@dataclass(frozen=True)
class Environment:
    """The environment that --env, --profile and --data name, before it is opened."""

    env_id: str | None
    profile: Path | None
    data_folder: Path

    @contextmanager
    def open(self, *, deploy: bool = True) -> Iterator[Place]:
        """Open the environment; a local cloud that isn't up runs until the block ends.

        With `deploy`, such a cloud is deployed to first, as `up` does.
        """
        if self.env_id is None:
            with connected(self.data_folder, deploy=deploy) as cloud:
                yield cloud
        else:
            yield TencentPlace(tencent_target(self.env_id, self.profile))


def environment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --env, --profile and --data to a command, which gets them as `environment`."""

    @functools.wraps(command)
    def chosen(
        *arguments: Any, env_id: str | None, profile: Path | None, data_folder: Path, **more: Any
    ) -> Any:
        environment = Environment(env_id, profile, data_folder)
        return command(*arguments, environment=environment, **more)

    for option in (
        data_option,
        click.option(
            "--profile",
            type=click.Path(path_type=Path, dir_okay=False),
            help="File with NAME=value lines for --env (default: .env.<ENV> in the project).",
        ),
        click.option(
            "--env",
            "env_id",
            metavar="ENV",
            help="An environment on Tencent Cloud; without it, the local cloud.",
        ),
    ):
        chosen = option(chosen)
    return chosen


def member_behind(place: Place, openid: str) -> str:
    """Return the id of the member behind an OpenID of the local cloud."""
    if not isinstance(place, LocalCloudClient):
        raise click.UsageError("--as is for the local cloud; members are WeChat's to vouch for")
    answer = place.member_call("member-profile", openid, {"action": "profile"})
    if not answer["ok"]:
        raise click.ClickException(f"{openid}: {answer['error']['message']}")
    return str(answer["data"]["member_id"])
