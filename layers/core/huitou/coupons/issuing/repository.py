"""Every query on `coupons`, `coupon_templates` and `scenes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pymongo.client_session import ClientSession

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE
from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.rules import CouponCounts
from huitou.runtime.counters import count_one
from huitou.runtime.database import Database, Document
from huitou.runtime.errors import Code, HuitouError
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.revisions import put_revision

with late_imports():
    from huitou.coupons.issuing.models import Coupon, CouponTemplate, Revoked, Scene, TillUse

EXPIRE_BATCH = 1_000
USED_DAYS = 30  # A template is shown with its uses on each of so many days.
_PLACES = {"seq": "", "day_seq": "", "month_seq": ""}
_FIRST_HOLDER = {"$ifNull": ["$issued_to", {"$ifNull": ["$given_by", "$member_id"]}]}


class CouponRepository:
    def __init__(self, database: Database) -> None:
        self._coupons = database.collection("coupons")
        self._templates = database.collection("coupon_templates")
        self._scenes = database.collection("scenes")
        self._claims = database.collection("coupon_claims")

    def template(self, template_id: str) -> CouponTemplate | None:
        found = self._templates.find_one({"_id": template_id})
        return CouponTemplate.model_validate(found) if found else None

    def templates(self, ids: Iterable[str]) -> list[CouponTemplate]:
        found = self._templates.find({"_id": {"$in": list(ids)}})
        return [CouponTemplate.model_validate(document) for document in found]

    def every_template(self, limit: int) -> list[CouponTemplate]:
        """Return the chain's templates, by id."""
        found = self._templates.find({"_id": {"$gt": ""}}).sort("_id", 1).limit(limit)
        return [CouponTemplate.model_validate(document) for document in found]

    def used_by_day(self, template_id: str, since: datetime) -> dict[str, int]:
        """Return how many coupons of a template were used on each of the chain's days.

        The index alone answers it; the cost grows with the number of coupons used since then.
        """
        hours, minutes = map(int, BRAND_CUT.split(":"))
        begun = {"$subtract": ["$redeemed_at", (hours * 60 + minutes) * 60_000]}
        day = {"$dateToString": {"date": begun, "format": "%Y-%m-%d", "timezone": BRAND_ZONE}}
        rows = self._coupons.aggregate(
            [
                {"$match": {"template_id": template_id, "redeemed_at": {"$gte": since}}},
                {"$group": {"_id": day, "count": {"$sum": 1}}},
            ]
        )
        return {row["_id"]: int(row["count"]) for row in rows}

    def put_template(self, template: CouponTemplate) -> None:
        """Store a new template or a later revision; issued coupons keep their own terms."""
        # Compared as models: an old document lacks newer fields and still means the same.
        stored = self.template(template.id)
        if stored is not None and stored.document() == template.document():
            return
        put_revision(
            self._templates, template.document(), f"coupon_templates.{template.id}.revision"
        )

    def scene(self, code: str) -> Scene | None:
        found = self._scenes.find_one({"_id": code})
        return Scene.model_validate(found) if found else None

    def put_scene(self, scene: Scene) -> None:
        self._scenes.replace_one({"_id": scene.id}, scene.document(), upsert=True)

    def revoke(self, coupon_id: str, revoked: Revoked) -> bool:
        """Revoke a coupon that is not in use; False if it is, or was locked a moment ago."""
        moved = self._coupons.update_one(
            {"_id": coupon_id, "status": "issued"},
            {"$set": {"status": "revoked", "revoked": revoked.model_dump()}},
        )
        return moved.matched_count == 1

    def revoke_all(self, member_id: str, revoked: Revoked, session: ClientSession) -> int:
        """Revoke all of a member's unused coupons; returns how many.

        If an order locks one of them at the same moment, the two transactions conflict.
        """
        return self._coupons.update_many(
            {"member_id": member_id, "status": "issued"},
            {"$set": {"status": "revoked", "revoked": revoked.model_dump()}},
            session=session,
        ).modified_count

    def change_holder(
        self,
        coupon_id: str,
        holder_id: str,
        taker_id: str,
        giver_id: str,
        hand: int,
        session: ClientSession,
    ) -> bool:
        """Give a coupon to another member; it still counts in the limits of its first member.

        `giver_id` is the id that the gift names, `holder_id` the same person's id now.
        """
        given = self._coupons.update_one(
            {
                "_id": coupon_id,
                "member_id": holder_id,
                "status": "issued",
                "transferable": True,
                **_in_hand(hand),
            },
            [
                {
                    "$set": {
                        "issued_to": _FIRST_HOLDER,
                        "member_id": {"$literal": taker_id},
                        "given_by": {"$literal": giver_id},
                        "times_given": hand + 1,
                    }
                }
            ],
            session=session,
        )
        return given.matched_count == 1

    def redeem_at_till(self, coupon_id: str, hand: int, use: TillUse, at: datetime) -> bool:
        """Use a coupon for an order of the till; False if it is used, given away or has ended.

        If two tills use it at once, one of them finds it no longer `issued`. If its member gives it
        away at the same moment, it is no longer in the hand that showed it.
        """
        used = self._coupons.update_one(
            {"_id": coupon_id, "status": "issued", "valid_until": {"$gte": at}, **_in_hand(hand)},
            {"$set": {"status": "redeemed", "redeemed_at": use.at, "till": use.model_dump()}},
        )
        return used.matched_count == 1

    def count_claim(self, member_id: str, day: str) -> int:
        """Count one more claim of a member on a day; returns the number with this one."""
        ends = datetime.now(UTC) + timedelta(days=2)
        return count_one(self._claims, {"member_id": member_id, "day": day}, ends)

    def add(self, coupon: Coupon, session: ClientSession) -> None:
        """Insert a coupon; DuplicateKeyError if the cause has one already, or a place is taken.

        Unique indexes decide each race: the id (one cause, one coupon) and, for limited templates,
        (template, first member, seq), and the same by day and by month.
        """
        self._coupons.insert_one(coupon.document(), session=session)

    def find(self, coupon_id: str) -> Coupon | None:
        found = self._coupons.find_one({"_id": coupon_id})
        return Coupon.model_validate(found) if found else None

    def among(self, coupon_ids: Sequence[str]) -> list[Coupon]:
        """Return those of these coupons that exist, whoever holds them."""
        found = self._coupons.find({"_id": {"$in": list(coupon_ids)}}).limit(len(coupon_ids) or 1)
        return [Coupon.model_validate(document) for document in found]

    def had(
        self, member_id: str, template_id: str, day: str, session: ClientSession | None = None
    ) -> CouponCounts:
        """Count the coupons of a template that were issued to a member, whoever holds them now.

        Coupons that were deleted since then count, too: a count is never below the highest number
        that was given out. Coupons of the version before don't say to whom they were issued until
        the migration has run: they count for their holder.
        """
        old = {"template_id": template_id, "member_id": member_id, "issued_to": {"$exists": False}}
        group = {
            "_id": None,
            "count": {"$sum": 1},
            "highest": {"$max": "$seq"},
            "days": {"$push": "$day_seq"},
            "months": {"$push": "$month_seq"},
            "issued": {"$push": "$issued_at"},
        }
        found = next(
            self._coupons.aggregate(
                [
                    {
                        "$match": {
                            "$or": [{"issued_to": member_id, "template_id": template_id}, old]
                        }
                    },
                    {"$group": group},
                ],
                session=session,
            ),
            None,
        )
        if found is None:
            return CouponCounts(0, 0, 0)
        issued = [brand_day(at) for at in found["issued"]]
        return CouponCounts(
            max(found["count"], found["highest"] or 0),
            max(_highest(found["days"], day), issued.count(day)),
            max(_highest(found["months"], day[:7]), sum(on[:7] == day[:7] for on in issued)),
        )

    def wallet(self, member_id: str, page: PageRequest) -> tuple[list[Coupon], str | None]:
        rows, after = newest_first(self._coupons, {"member_id": member_id}, page, "issued_at")
        return [Coupon.model_validate(row) for row in rows], after

    def lock(
        self, coupon_id: str, member_id: str, order_id: str, at: datetime, session: ClientSession
    ) -> bool:
        """Lock a coupon for an order; False if it can't be used.

        If two orders lock it at once, one of them finds it no longer `issued`.
        """
        locked = self._coupons.update_one(
            {
                "_id": coupon_id,
                "member_id": member_id,
                "status": "issued",
                "valid_until": {"$gte": at},
            },
            {"$set": {"status": "locked", "order_id": order_id}},
            session=session,
        )
        return locked.matched_count == 1

    def release(self, coupon_id: str, order_id: str, session: ClientSession) -> None:
        """Unlock a coupon; like using it, this requires that this order has locked it."""
        freed = self._coupons.update_one(
            {"_id": coupon_id, "status": "locked", "order_id": order_id},
            {"$set": {"status": "issued"}, "$unset": {"order_id": ""}},
            session=session,
        )
        _must(freed.matched_count == 1)

    def redeem(self, coupon_id: str, order_id: str, at: datetime, session: ClientSession) -> None:
        """Use the coupon that this order has locked; a repeated call changes nothing."""
        used = self._coupons.update_one(
            {"_id": coupon_id, "status": {"$in": ["locked", "redeemed"]}, "order_id": order_id},
            {"$set": {"status": "redeemed"}, "$min": {"redeemed_at": at}},
            session=session,
        )
        _must(used.matched_count == 1)

    def give_back(
        self, coupon_id: str, order_id: str, valid_until: datetime, session: ClientSession
    ) -> None:
        """Give the coupon of a fully refunded order back to its member, used or only locked."""
        self._coupons.update_one(
            {"_id": coupon_id, "status": {"$in": ["locked", "redeemed"]}, "order_id": order_id},
            {
                "$set": {"status": "issued", "valid_until": valid_until},
                "$unset": {"order_id": "", "redeemed_at": ""},
            },
            session=session,
        )

    def known(self, coupon_ids: Sequence[str], session: ClientSession) -> set[str]:
        """Return those of these ids that are taken."""
        found = self._coupons.find({"_id": {"$in": list(coupon_ids)}}, {"_id": 1}, session=session)
        return {coupon["_id"] for coupon in found}

    def insert_many(
        self, alike: Coupon, owners: Mapping[str, tuple[str, str]], session: ClientSession
    ) -> None:
        """Insert coupons that differ only in id, cause and member; DuplicateKeyError or such.

        `owners` has (cause, member) by id.
        """
        document = alike.document()
        rows = [
            document | {"_id": name, "cause": cause, "member_id": member_id, "issued_to": member_id}
            for name, (cause, member_id) in owners.items()
        ]
        if rows:
            self._coupons.insert_many(rows, session=session)

    def count_unused(self, member_id: str, session: ClientSession) -> int:
        """Return how many coupons a member can still use."""
        unused = {"member_id": member_id, "status": "issued"}
        return self._coupons.count_documents(unused, session=session)

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> int:
        """Give all coupons of one member to another, in a merge; returns how many are unused.

        All coupons that were issued to the first member, used ones too, count in the limits of the
        second one from now on; they lose their places, as the second one may have the same ones. If
        an order locks one of them at the same moment, the two transactions conflict; the second
        one runs again and finds the coupon locked, or with another member.
        """
        unused = self.count_unused(source_id, session)
        old = {"member_id": source_id, "issued_to": {"$exists": False}}
        self._coupons.update_many(
            {"$or": [{"issued_to": source_id}, old]},
            {"$set": {"issued_to": into_id}, "$unset": _PLACES},
            session=session,
        )
        self._coupons.update_many(
            {"member_id": source_id},
            {"$set": {"member_id": into_id}},
            session=session,
        )
        return unused

    def expire(self, at: datetime) -> int:
        """Mark a batch of ended coupons as `expired`; the cost grows with the batch alone."""
        due = self._coupons.find({"status": "issued", "valid_until": {"$lt": at}}, {"_id": 1})
        ids = [coupon["_id"] for coupon in due.limit(EXPIRE_BATCH)]
        if not ids:
            return 0
        # The filter is checked again: a coupon may have been locked or given back since the read.
        return self._coupons.update_many(
            {"_id": {"$in": ids}, "status": "issued", "valid_until": {"$lt": at}},
            {"$set": {"status": "expired"}},
        ).modified_count


def _must(held: bool) -> None:
    """Raise if an order lost the coupon it was priced with: roll back, a person must look."""
    if not held:
        raise HuitouError(Code.INTERNAL, field="coupon_id")


def _in_hand(hand: int) -> Document:
    """Return the filter for coupons that were given away so often (see `Coupon.hand`)."""
    if hand > 1:
        return {"times_given": hand}
    unsaid = {"times_given": {"$in": [None, 0]}}
    if hand == 0:
        return {**unsaid, "given_by": None}
    return {"$or": [{"times_given": 1}, {**unsaid, "given_by": {"$ne": None}}]}


def _highest(places: list[str | None], period: str) -> int:
    """Return the highest number among places such as `2026-03-02#1` of one period; 0 if none."""
    of_period = (place.split("#")[1] for place in places if place and place.startswith(period))
    return max(map(int, of_period), default=0)
