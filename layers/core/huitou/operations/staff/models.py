"""Staff: who may sign in to the console, in which role, and for which stores."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Request, Stored, Unfit
from huitou.runtime.limits import Id, Revision
from huitou.runtime.typed import Code, Name, Word

Role = Literal[
    "owner", "marketing", "area_manager", "store_manager", "cashier", "finance", "franchisee"
]
# Roles for some stores only; the others are for the whole chain.
OF_STORES: tuple[Role, ...] = ("area_manager", "store_manager", "cashier", "franchisee")
StaffName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{1,31}$")]
StoreIds = Annotated[list[Id], Field(max_length=500)]


class StaffMember(Stored):
    """One person's account; `id` is the name they sign in with.

    `totp_secret` is encrypted. `totp_step` is the last time step whose code was used, so that no
    code works twice. `new_password` is true until the person has chosen their own password.
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
    """One signed-in browser; `id` is the hash of its token. All times are real time.

    `revision` is the account's when the session began. If the account has another one, its
    password, role, stores or status has changed since, and the session has ended.
    """

    staff_id: str
    revision: int | None = None
    began_at: datetime
    seen_at: datetime
    expires_at: datetime


class _Post(Request):
    """A role, and its stores if it is a role for some stores only."""

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
    """Open an account. Only the answer shows its password and the secret of its one-time codes."""

    staff_id: StaffName = Field(title="登录名")
    name: Name = Field(min_length=1, max_length=20, title="姓名")


class ChangeStaffRequest(_Post):
    """Change an account. `revision` is the one that was read, so that nobody's change is lost."""

    staff_id: StaffName
    name: Name = Field(min_length=1, max_length=20, title="姓名")
    status: Literal["active", "disabled"] = Field(title="状态")
    revision: Revision


class FormAnswer(Answer):
    """The JSON Schema from which the browser draws a form."""

    form: dict[str, Any]


class StaffRequest(Request):
    """Name one account."""

    staff_id: StaffName


class NoRequest(Request):
    """A request without fields."""


class SignInRequest(Request):
    """Sign in with the password and the six digits that the phone shows now."""

    staff_id: Word = Field(min_length=1, max_length=32)
    password: str = Field(min_length=1, max_length=200)
    code: Code = Field(min_length=1, max_length=12)


class PasswordRequest(Request):
    """Choose another password; this signs out the person's other browsers."""

    old: str = Field(min_length=1, max_length=200)
    new: str = Field(min_length=10, max_length=200)


class SecretsAnswer(Answer):
    """What a person needs to sign in the first time; nobody can read it again.

    `uri` is for the authenticator app on the person's phone.
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
    """All accounts, sorted by the name they sign in with."""

    staff: list[ShownStaff]


class MeAnswer(Answer):
    """Who is signed in, and the routes ("area/action") they may call."""

    staff_id: str
    name: str
    role: Role
    store_ids: list[str]
    new_password: bool
    may: list[str]
