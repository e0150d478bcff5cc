"""Where to deploy, as whom and with which values: a profile file under the environment's variables.

The local cloud makes its own target (localcloud/cloud.py); Tencent Cloud's comes from here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from bootstrap import ROOT
from deployment.bundle import declared_region
from deployment.cloud_api import Account
from deployment.errors import Stopped

SECRET_ID, SECRET_KEY, TOKEN = (
    "TENCENTCLOUD_SECRET_ID",
    "TENCENTCLOUD_SECRET_KEY",
    "TENCENTCLOUD_TOKEN",
)


class TargetError(Stopped):
    """What is needed to reach an environment is missing; the message says what and where."""


@dataclass(frozen=True, repr=False)
class Target:
    """An account's environment and the values of {{env.X}} in `cloudbaserc.json`."""

    account: Account
    variables: Mapping[str, str]


def tencent_target(
    env_id: str, profile: Path | None, environment: Mapping[str, str] = os.environ
) -> Target:
    """Read the target of one environment on Tencent Cloud.

    Values come from the process's environment and from `profile` (by default `.env.<ENV>` in
    the project, if it is there): lines of NAME=value. TargetError names what is missing.
    """
    path = profile or ROOT / f".env.{env_id}"
    if profile is not None and not profile.is_file():
        raise TargetError(f"there is no profile file {profile}")
    kept = {k: v for k, v in dotenv_values(path, interpolate=False).items() if v is not None}
    if path.is_file() and path.stat().st_mode & 0o077:
        raise TargetError(f"{path} holds secrets but others can read it; run: chmod 600 {path}")
    twice = sorted(name for name in kept if environment.get(name, kept[name]) != kept[name])
    if twice:
        raise TargetError(
            f"{', '.join(twice)}: set in this shell and, differently, in {path}; unset one, "
            "since either could be meant"
        )
    values = {**kept, **environment, "TCB_ENV": env_id}
    missing = [name for name in (SECRET_ID, SECRET_KEY) if not values.get(name)]
    if missing:
        raise TargetError(
            f"{' and '.join(missing)} not set; put them into the environment or into {path}"
        )
    account = Account(
        env_id=env_id,
        region=declared_region(),
        secret_id=values[SECRET_ID],
        secret_key=values[SECRET_KEY],
        session_token=values.get(TOKEN) or None,
        endpoint=values.get("HUITOU_API_ENDPOINT") or None,
        protocol=values.get("HUITOU_API_PROTOCOL") or "https",
    )
    return Target(account, values)
