"""The requests of operators and the CLI to `maintenance`, and its answers."""

from datetime import datetime

from pydantic import Field

from huitou.catalog.menu.models import Dish, StoreDish
from huitou.catalog.stores.models import Store
from huitou.coupons.issuing.models import SavedTemplate, Scene
from huitou.growth.geofence.models import ArrivalRules
from huitou.growth.referrals.models import ReferralRules
from huitou.loyalty.earning.models import EarningRule
from huitou.loyalty.points.models import PointsRules
from huitou.loyalty.rewards.models import MallItem
from huitou.loyalty.tiers.models import TierRules
from huitou.marketing.linter.models import Finding
from huitou.members.messaging.models import MessageRules
from huitou.payments.profit_sharing.models import ShareRules
from huitou.payments.refunds.models import RefundRules
from huitou.promotions.offers.models import Offer, StackingRules
from huitou.runtime.documents import Answer, Request


class DeclareRequest(Request):
    """Apply the database's declarations and migrations."""


class LoadRequest(Request):
    """Store a chain's stores, menu, coupons, mall, codes and rules; safe to repeat.

    Rules and mall items have a revision one above the stored ones, or are equal to them.
    """

    stores: list[Store] = Field(default=[], max_length=500)
    dishes: list[Dish] = Field(default=[], max_length=2_000)
    store_dishes: list[StoreDish] = Field(default=[], max_length=10_000)
    coupon_templates: list[SavedTemplate] = Field(default=[], max_length=500)
    scenes: list[Scene] = Field(default=[], max_length=10_000)
    tier_rules: TierRules | None = None
    points_rules: PointsRules | None = None
    refund_rules: RefundRules | None = None
    share_rules: list[ShareRules] = Field(default=[], max_length=500)
    earning_rules: list[EarningRule] = Field(default=[], max_length=500)
    mall_items: list[MallItem] = Field(default=[], max_length=200)
    arrival_rules: ArrivalRules | None = None
    referral_rules: ReferralRules | None = None
    message_rules: MessageRules | None = None
    stacking_rules: StackingRules | None = None
    offers: list[Offer] = Field(default=[], max_length=500)


class HealthRequest(Request):
    """Ask what followers of changes still have to do, and for the number of dead letters."""


class DeadLettersRequest(Request):
    """List what triggers and timers could not process."""

    limit: int = Field(default=100, ge=1, le=1_000)


class ReplayRequest(Request):
    """Start one dead letter's function again for its document."""

    letter_id: str = Field(min_length=1, max_length=200)


class DeclareAnswer(Answer):
    """The number of declared collections, and the titles of the migrations that ran now."""

    collections: int
    migrated: list[str]


class LoadAnswer(Answer):
    """How many of each kind were stored, and the linter's warnings about the rules."""

    stores: int
    dishes: int
    store_dishes: int
    coupon_templates: int
    scenes: int
    mall_items: int
    offers: int
    rules: int
    warnings: list[Finding]


class RelayHealth(Answer):
    """Whether a relay runs, what is due for each following function, and the longest wait."""

    alive: bool
    due: dict[str, int]
    lag_s: float


class HealthAnswer(Answer):
    """What followers of changes still have to do, and the number of dead letters."""

    relay: RelayHealth
    dead_letters: int


class DeadLetter(Answer):
    """A document that a function could not process, why, and how often it was tried."""

    letter_id: str
    function: str
    document_id: str
    reason: str
    times: int
    first_at: datetime
    last_at: datetime


class DeadLettersAnswer(Answer):
    """The dead letters, sorted by id."""

    dead_letters: list[DeadLetter]


class ReplayAnswer(Answer):
    """The letter that was removed, and the function that was started for it.

    `by` is "timer" if none was started, because a timer finds the document again.
    """

    replayed: str
    by: str
