"""Staff accounts and the sessions of their browsers.

Passwords are hashed with Argon2id. One-time codes are TOTP (RFC 6238); their secrets are
encrypted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo.client_session import ClientSession

from huitou.operations.staff.errors import StaffErrors
from huitou.operations.staff.models import (
    OF_STORES,
    AddStaffRequest,
    ChangeStaffRequest,
    MeAnswer,
    PasswordRequest,
    SecretsAnswer,
    ShownStaff,
    SignInRequest,
    StaffAnswer,
    StaffMember,
    StaffSession,
)
from huitou.operations.staff.repository import StaffRepository
from huitou.operations.staff.rules import DECIDE_RULES, MAY, may, shown
from huitou.runtime.clock import Clock
from huitou.runtime.counters import Key
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

if TYPE_CHECKING:
    import pyotp

ISSUER = "回头 Huitou"
# Limits of tries in an hour. If somebody guesses from one address, we lock out that address, and
# the person with that name can still sign in elsewhere.
TRIES_THERE = 10  # For one name from one address; forgotten after a right one.
TRIES_OF_A_NAME = 100  # For one name from all addresses: too few to guess password and code.
TRIES_OF_AN_ADDRESS = 60  # Many people share a shop's network.
SESSION_LIVES = timedelta(hours=12)
IDLE = timedelta(hours=2)
NOTED_EVERY = timedelta(minutes=5)  # We store so often that a session is in use, not at each call.
STEP_S = 30
STEPS_AROUND = 1  # A phone's clock may be half a minute off.


class Staff:
    """Staff accounts: open, change and reset them."""

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._database = database
        self._repository = StaffRepository(database)
        self._clock = clock
        self._key = key

    def list_staff(self) -> StaffAnswer:
        return StaffAnswer(staff=[shown(staff) for staff in self._repository.everybody()])

    def get_account(self, staff_id: str) -> StaffMember:
        """Return an account; raises Refusal NOT_FOUND naming `staff_id`."""
        staff = self._repository.find(staff_id)
        if staff is None:
            raise Refusal(Code.NOT_FOUND, field="staff_id", detail=staff_id)
        return staff

    def add_account(self, request: AddStaffRequest) -> SecretsAnswer:
        """Open an account; raises Refusal STAFF_NAME_TAKEN naming `staff_id`."""
        password, seed = _password(), _seed()
        staff = StaffMember(
            id=request.staff_id,
            name=request.name,
            role=request.role,
            store_ids=request.store_ids,
            password_hash=_hashed(password),
            totp_secret=_sealed(self._key, seed),
            created_at=self._clock.now(),
        )
        if not self._repository.insert(staff):
            raise Refusal(StaffErrors.STAFF_NAME_TAKEN, field="staff_id")
        return _secrets(staff.id, password, seed)

    def change_account(self, request: ChangeStaffRequest) -> ShownStaff:
        """Change name, role, stores or status; this signs the person out everywhere.

        Raises Refusal RULES_CONFLICT naming `revision` if somebody has changed the account in the
        meantime, LAST_OWNER if nobody could open accounts after the change.
        """
        staff = self.get_account(request.staff_id)
        stays_owner = request.role == "owner" and request.status == "active"
        gives_up = staff.role == "owner" and not stays_owner
        fields = request.model_dump(exclude={"staff_id", "revision"})
        as_read = staff.model_copy(update={"revision": request.revision})

        def write(session: ClientSession) -> None:
            if gives_up and not self._repository.rely_on_another_owner(staff.id, session):
                raise Refusal(StaffErrors.LAST_OWNER, field="role")
            if not self._repository.change(as_read, session, **fields):
                raise Refusal(Code.RULES_CONFLICT, field="revision")

        self._database.transact(write)
        self._repository.end_all(staff.id)
        return shown(self.get_account(staff.id))

    def reset_account(self, staff_id: str) -> SecretsAnswer:
        """Give a person a new password and a new secret; this signs them out everywhere."""
        staff = self.get_account(staff_id)
        password, seed = _password(), _seed()
        changed = self._repository.change(
            staff,
            password_hash=_hashed(password),
            totp_secret=_sealed(self._key, seed),
            totp_step=0,
            new_password=True,
        )
        if not changed:
            raise Refusal(Code.RULES_CONFLICT, field="revision")
        self._repository.end_all(staff.id)
        return _secrets(staff.id, password, seed)


class Colleagues:
    """Whose work a person of the staff may see."""

    def __init__(self, database: Database, staff: StaffMember) -> None:
        self._repository = StaffRepository(database)
        self._staff = staff

    def near(self, actors: Collection[str]) -> set[str]:
        """Return those of these people who work in the person's stores or for the whole chain.

        People of the whole chain see everybody, also commands that no account has sent.
        """
        if self._staff.role not in OF_STORES:
            return set(actors)
        return {
            one.id
            for one in self._repository.several(set(actors))
            if one.role not in OF_STORES or set(one.store_ids) & set(self._staff.store_ids)
        }

    def is_alone(self) -> bool:
        """Tell whether the person owns the chain and nobody else may decide for all of it.

        An owner opens accounts, so a second person would stop nothing that they want to do.
        """
        owns = self._staff.role == "owner"
        return owns and not self._repository.has_another(self._staff.id, DECIDE_RULES)


class Sessions:
    """Signing in and out, and finding the person of a browser's token."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._repository = StaffRepository(database)
        self._key = key

    def sign_in(self, request: SignInRequest, address: str) -> tuple[str, StaffMember]:
        """Begin a session; returns its token and its person.

        Raises Refusal SIGN_IN_FAILED, which doesn't say what was wrong. Raises TOO_MANY_TRIES after
        too many tries for a name or from an address within an hour, even for a right password.
        """
        tries = self._count_try(request.staff_id, address, "staff_id")
        staff = self._repository.find(request.staff_id)
        # An unknown name takes as long as a wrong password, so that nobody can find out names.
        known = _matches(staff.password_hash if staff else _NOBODY, request.password)
        if staff is None or not known or staff.status != "active":
            raise Refusal(StaffErrors.SIGN_IN_FAILED)
        step = _step_of(_totp(_opened(self._key, staff.totp_secret)), request.code)
        if step is None or not self._repository.use_step(staff.id, step):
            raise Refusal(StaffErrors.SIGN_IN_FAILED)
        tries.forget()
        return self._begin(staff), staff

    def _count_try(self, staff_id: str, address: str, field: str) -> _Tries:
        """Count a try before its password is compared, so a hundred at once count as a hundred.

        Signing in and changing one's password share the counters: both tell whether a password is
        right. Raises Refusal TOO_MANY_TRIES naming `field`.
        """
        hour = int(time.time() // 3600)
        name: Key = {"of": "name", "name": staff_id}
        there: Key = {"of": "name there", "name": staff_id, "address": address}
        most = [(name, TRIES_OF_A_NAME), (there, TRIES_THERE)]
        if address:  # If the platform names no address, all would share one limit.
            most.append(({"of": "address", "address": address}, TRIES_OF_AN_ADDRESS))
        over = [self._repository.count_try(key, hour) > limit for key, limit in most]
        if any(over):
            raise Refusal(Code.TOO_MANY_TRIES, field=field)
        return _Tries(self._repository, (name, there), hour)

    def _begin(self, staff: StaffMember) -> str:
        token, now = secrets.token_urlsafe(32), datetime.now(UTC)
        self._repository.begin(
            StaffSession(
                id=_session_id(token),
                staff_id=staff.id,
                revision=staff.revision,
                began_at=now,
                seen_at=now,
                expires_at=now + SESSION_LIVES,
            )
        )
        return token

    def get_signed_in_staff(self, token: str) -> StaffMember:
        """Return who is signed in with this token; raises Refusal SIGN_IN_REQUIRED if nobody is."""
        session = self._repository.session(_session_id(token)) if token else None
        now = datetime.now(UTC)
        if session is None or now > min(session.expires_at, session.seen_at + IDLE):
            raise Refusal(StaffErrors.SIGN_IN_REQUIRED)
        staff = self._repository.find(session.staff_id)
        if staff is None or staff.status != "active":
            raise Refusal(StaffErrors.SIGN_IN_REQUIRED)
        # A sign-in with the old password may have ended just after the password was changed.
        if session.revision not in (None, staff.revision):
            raise Refusal(StaffErrors.SIGN_IN_REQUIRED)
        if now - session.seen_at > NOTED_EVERY:
            self._repository.seen(session.id, now)
        return staff

    def sign_out(self, token: str) -> None:
        self._repository.end(_session_id(token))

    def choose_password(
        self, staff: StaffMember, request: PasswordRequest, token: str, address: str
    ) -> None:
        """Store a person's own password.

        Raises Refusal SIGN_IN_FAILED naming `old` if the old one is wrong, TOO_MANY_TRIES after
        too many wrong ones, RULES_CONFLICT if the account has changed in the meantime.
        """
        tries = self._count_try(staff.id, address, "old")
        if not _matches(staff.password_hash, request.old):
            raise Refusal(StaffErrors.SIGN_IN_FAILED, field="old")
        hashed = _hashed(request.new)
        if not self._repository.change(staff, password_hash=hashed, new_password=False):
            raise Refusal(Code.RULES_CONFLICT, field="new")
        tries.forget()
        self._repository.end_all(staff.id, but=_session_id(token))
        self._repository.keep_session(_session_id(token), staff.revision + 1)


class _Tries(NamedTuple):
    """The tries that were counted; a right password lets them be forgotten."""

    repository: StaffRepository
    keys: tuple[Key, ...]
    hour: int

    def forget(self) -> None:
        for key in self.keys:
            self.repository.forget_tries(key, self.hour)


def me(staff: StaffMember) -> MeAnswer:
    """Return who is signed in, and the routes they may call."""
    return MeAnswer(
        staff_id=staff.id,
        name=staff.name,
        role=staff.role,
        store_ids=staff.store_ids,
        new_password=staff.new_password,
        may=sorted(route for route in MAY if may(staff.role, route)),
    )


def _session_id(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _password() -> str:
    """Return a first password: characters that can't be confused, in groups easy to read out."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def _seed() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


def _secrets(staff_id: str, password: str, seed: str) -> SecretsAnswer:
    uri = _totp(seed).provisioning_uri(name=staff_id, issuer_name=ISSUER)
    return SecretsAnswer(staff_id=staff_id, password=password, uri=uri)


# The Argon2 hash of a password that nobody knows, with the same parameters as all others.
_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5a25vd3N0aGlz$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def _hasher() -> Any:
    from argon2 import PasswordHasher  # Imported here, as only signing in needs it.

    # OWASP's parameters for Argon2id: 19 MiB, 2 passes, 1 lane.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def _hashed(password: str) -> str:
    return str(_hasher().hash(password))


def _matches(hashed: str, password: str) -> bool:
    from argon2.exceptions import VerificationError

    try:
        return bool(_hasher().verify(hashed, password))
    except VerificationError:
        return False


def _totp(seed: str) -> pyotp.TOTP:
    import pyotp

    return pyotp.TOTP(seed, interval=STEP_S)


def _step_of(totp: pyotp.TOTP, code: str) -> int | None:
    """Return the time step of a code, if it is the present one or next to it; None otherwise."""
    now = int(time.time() // STEP_S)
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        if hmac.compare_digest(totp.at(step * STEP_S).encode(), code.encode()):
            return step
    return None


def _sealed(key: bytes, seed: str) -> str:
    return str(_fernet(key).encrypt(seed.encode()).decode())


def _opened(key: bytes, sealed: str) -> str:
    return str(_fernet(key).decrypt(sealed.encode()).decode())


def _fernet(key: bytes) -> Any:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(hmac.digest(key, b"staff codes", "sha256")))
