"""Staff: who may sign in to the console, as what, for which stores."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Request, Stored, Unfit

Role = Literal[
    "owner", "marketing", "area_manager", "store_manager", "cashier", "finance", "franchisee"
]
# Whose work is some stores' only; all others' is the whole chain's.
OF_STORES: tuple[Role, ...] = ("area_manager", "store_manager", "cashier", "franchisee")
StaffName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{1,31}$")]
StoreIds = Annotated[list[str], Field(max_length=500)]


class StaffMember(Stored):
    """One person's account; `id` is the name they sign in with.

    `totp_secret` is encrypted. `totp_step` is the last time step whose code was used: none is
    taken twice. `new_password` until the person has chosen their own.
    """

    name: str
    role: Role
    store_ids: list[str] = Field(default=[])
    password_hash: str
    totp_secret: str
    totp_step: int = 0
    status: Literal["active", "disabled"] = "active"
    new_password: bool = True
    created_at: datetime
    revision: int = 1


class StaffSession(Stored):
    """One signed-in browser; `id` is the hash of its token. Times are real ones."""

    staff_id: str
    began_at: datetime
    seen_at: datetime
    expires_at: datetime


class _Post(Request):
    """A role, and the stores it is for."""

    role: Role = Field(title="角色")
    store_ids: StoreIds = Field(
        default=[], title="门店", description="仅限督导、店长、收银、加盟商"
    )

    @model_validator(mode="after")
    def _has_its_stores(self) -> Self:
        if (self.role in OF_STORES) != bool(self.store_ids):
            raise (
                Unfit("store_ids", "请选择所属门店", "name the stores of this role")
                if self.role in OF_STORES
                else Unfit("store_ids", "此角色属于全部门店", "this role is for the whole chain")
            )
        return self


class AddStaffRequest(_Post):
    """Open an account. Its password and the secret of its one-time codes are answered once."""

    staff_id: StaffName = Field(title="登录名")
    name: str = Field(min_length=1, max_length=20, title="姓名")


class ChangeStaffRequest(_Post):
    """Change what somebody may do; `revision` is the one that was read, so that nobody's change
    is lost."""

    staff_id: StaffName
    name: str = Field(min_length=1, max_length=20, title="姓名")
    status: Literal["active", "disabled"] = Field(title="状态")
    revision: int = Field(ge=1)


class FormAnswer(Answer):
    """The JSON Schema that a form is drawn from."""

    form: dict[str, Any]


class StaffRequest(Request):
    """Name one account."""

    staff_id: StaffName


class NoRequest(Request):
    """Ask without further words."""


class SignInRequest(Request):
    """Sign in: password, and the six digits that the phone shows now."""

    staff_id: str = Field(min_length=1, max_length=32)
    password: str = Field(min_length=1, max_length=200)
    code: str = Field(min_length=1, max_length=12)


class PasswordRequest(Request):
    """Choose another password; all other browsers are signed out."""

    old: str = Field(min_length=1, max_length=200)
    new: str = Field(min_length=10, max_length=200)


class SecretsAnswer(Answer):
    """What a person needs to sign in the first time; nobody can read it again.

    `uri` is what a phone's authenticator scans.
    """

    staff_id: str
    password: str
    uri: str


class ShownStaff(Answer):
    """An account as colleagues see it."""

    staff_id: str
    name: str
    role: Role
    store_ids: list[str]
    status: Literal["active", "disabled"]
    new_password: bool
    created_at: datetime
    revision: int


class StaffAnswer(Answer):
    """All accounts, by name."""

    staff: list[ShownStaff]


class MeAnswer(Answer):
    """Who is signed in and what they may ask for, by area and action."""

    staff_id: str
    name: str
    role: Role
    store_ids: list[str]
    new_password: bool
    may: list[str]
