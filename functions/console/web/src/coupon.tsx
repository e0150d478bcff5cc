// A coupon as its member sees it, and in one line.
import { yuan } from "./format";
import type { Template, Terms } from "./types";
import { type Speech, useSpeech } from "./words";

const short = (fen: number) => yuan(fen).replace(/\.00$/, "");

/** What it is worth: ¥8, 8 折, 兑换. */
export function worthOf(terms: Terms, { t, lang }: Speech): string {
  const off = terms.off_bp ?? 0;
  const less = lang === "en" ? `${off / 100}% off` : off === 5000 ? "半价" : `${(10000 - off) / 1000}折`;
  switch (terms.kind) {
    case "amount_off": return short(terms.off_fen ?? 0);
    case "percent_off": return less;
    case "nth_item": return t("nthPiece", { n: terms.nth ?? 2, less });
    case "delivery": return terms.off_fen ? short(terms.off_fen) : t("freeDelivery");
    case "free_item": return t("freeItem");
    case "exchange": return terms.price_fen ? t("exchangeFor", { price: short(terms.price_fen) }) : t("exchangeFree");
    default: return terms.price_fen == null ? "" : short(terms.price_fen);
  }
}

/** When it can be used: 满¥30可用 · 指定菜品. */
export function whenOf(terms: Terms, { t }: Speech): string {
  const some = (list?: unknown[]) => !!list?.length;
  const parts = [terms.threshold_fen ? t("fromSpend", { fen: short(terms.threshold_fen) }) : t("noThreshold")];
  if (terms.kind === "delivery") parts.push(t("ofDelivery"));
  if (terms.cap_fen) parts.push(t("atMostOff", { fen: short(terms.cap_fen) }));
  if (some(terms.scope?.dish_ids) || some(terms.scope?.categories)) parts.push(t("someDishes"));
  if (some(terms.store_ids)) parts.push(t("someStores"));
  if (some(terms.tiers)) parts.push(t("someTiers"));
  if (some(terms.modes) || some(terms.weekdays) || some(terms.hours)) parts.push(t("someTimes"));
  if (terms.first_order) parts.push(t("firstOrders"));
  return parts.join(" · ");
}

export function untilOf(template: Template, { t }: Speech): string {
  const days = template.valid_days ? t("validDays", { n: template.valid_days }) : "";
  const until = template.valid_until ? t("validUntil", { day: template.valid_until }) : "";
  return [days, until].filter(Boolean).join(" · ");
}

export function CouponCard({ template }: { template: Template }) {
  const speech = useSpeech();
  const terms = template.terms ?? { kind: "amount_off" };
  return (
    <div className="coupon" role="img" aria-label={`${template.name} ${worthOf(terms, speech)} ${whenOf(terms, speech)}`}>
      <div className="worth">{worthOf(terms, speech) || "—"}</div>
      <div className="told">
        <b>{template.name || speech.t("coupon")}</b>
        <span>{whenOf(terms, speech)}</span>
        <small>{untilOf(template, speech)}</small>
      </div>
    </div>
  );
}
