"""Send a function's callers back to an earlier version, which is still there as it was."""

from __future__ import annotations

from deployment.cloud_api import FAILED, CloudApi
from deployment.deploy import switch
from deployment.errors import DeploymentError
from deployment.found import noted_previous
from deployment.plan import DEFAULT, LATEST


def roll_back(api: CloudApi, function: str, to: str | None = None) -> tuple[str, str]:
    """Switch `$DEFAULT` to version `to`, or to the one that was live before.

    Returns the number that was live and the one that is. One call, so nobody sees half of it;
    nothing but the function's own code and configuration goes back, never data. Not the next
    lower number: that one may have been published by a deployment that never got so far.
    """
    alias = api.scf("GetAlias", FunctionName=function, Name=DEFAULT)
    live, noted = alias["FunctionVersion"], noted_previous(alias)
    versions = {
        version["Version"]: version.get("AddTime") or ""
        for version in api.pages("ListVersionByFunction", "Versions", FunctionName=function)
        if version["Version"] != LATEST and version.get("Status") not in FAILED
    }
    there = ", ".join(f"{n} ({at})" for n, at in sorted(versions.items(), key=_number)) or "none"
    if to is None and noted not in versions:
        raise DeploymentError(
            f"{function}: no version is known to have been live before {live}; "
            f"name one with --to, of these: {there}"
        )
    target = to or str(noted)
    if target not in versions:
        raise DeploymentError(f"{function} has no version {target}; there are: {there}")
    switch(api, function, target, live)
    return live, target


def _number(version: tuple[str, str]) -> int:
    return int(version[0])
