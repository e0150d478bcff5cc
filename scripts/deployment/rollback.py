"""Send a function's callers back to an earlier version, which is still there as it was."""

from __future__ import annotations

from deployment.cloud_api import CloudApi
from deployment.deploy import DeploymentError
from deployment.plan import DEFAULT, LATEST


def roll_back(api: CloudApi, function: str, to: str | None = None) -> tuple[str, str]:
    """Switch `$DEFAULT` to version `to`, or to the one before the live one.

    Returns the number that was live and the one that is. One call, so nobody sees half of it;
    nothing but the function's own code and configuration goes back, never data.
    """
    live = api.scf("GetAlias", FunctionName=function, Name=DEFAULT)["FunctionVersion"]
    versions = sorted(
        int(version["Version"])
        for version in api.pages("ListVersionByFunction", "Versions", FunctionName=function)
        if version["Version"] != LATEST
    )
    if to is not None and int(to) not in versions:
        raise DeploymentError(f"{function} has no version {to}; there are {_listed(versions)}")
    if to is None:
        earlier = [number for number in versions if live != LATEST and number < int(live)]
        if not earlier:
            raise DeploymentError(
                f"{function} has no version before {live}; there are {_listed(versions)}"
            )
        to = str(earlier[-1])
    api.wait_until_active(function, to)
    api.scf("UpdateAlias", FunctionName=function, Name=DEFAULT, FunctionVersion=to)
    return live, to


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions)) or "none"
