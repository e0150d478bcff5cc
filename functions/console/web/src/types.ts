// What the routes answer, as far as the pages show it. Amounts are fen.
export interface Me { staff_id: string; name: string; role: string; store_ids: string[]; new_password: boolean; may: string[] }
export interface Hours { weekdays: number[]; opens: string; closes: string }
export interface Store { store_id: string; name: string; address: string; open: boolean; hours: Hours[] }
export interface OrderFigures {
  repurchase_rate_30d: number | null; orders: number; revenue_fen: number; new_members: number;
  orders_30d: number; revenue_fen_30d: number;
}
export interface DayFigures extends OrderFigures {
  day: string; activity_rate: number | null; points_burn_rate: number | null;
}
export interface Home {
  store_id: string | null; today: DayFigures; week_ago: DayFigures; days: DayFigures[];
  stores: (OrderFigures & { store_id: string; name: string })[];
  goals: { repurchase: number; activity: number; burn: number };
}
export interface Alarms {
  dead_letters: number; relay_lag_s: number; differences: number; refunds: number; adjustments: number; sold_out: number; skipped: number; most: number;
}
export interface StaffStore { store_id: string; name: string; open: boolean; paused: boolean; revision: number; settings: unknown }
export interface BrandDish {
  dish_id: string; revision: number;
  content: { name: string; category: string; skus: { sku_id: string; name: string; price_fen: number }[]; methods: string[]; addons: { name: string; price_fen: number }[] };
}
export interface StaffDish {
  dish_id: string; name: string; category: string; listed: boolean; sold_out: boolean;
  skus: { sku_id: string; name: string; brand_fen: number; own_fen: number | null }[];
}
export interface FoundOrder {
  order_id: string; store_id: string; member_id: string; status: string; refund_status: string | null;
  created_at: string; pickup_number: number | null; dishes: string; payable_fen: number; refunded_fen: number;
}
export interface Line { name: string; sku_name: string; quantity: number; list_fen: number }
export interface Moment { status: string; at: string; actor?: string | null }
export interface WholeOrder { member_id: string; store_id: string | null; steps: Moment[]; order: { status: string } }
export interface Explained {
  lines: Line[]; list_fen: number; delivery_fen: number; payable_fen: number; same: boolean | null;
  discounts: { name: string; amount_fen: number; kind: string }[];
}
export interface FoundMember {
  member_id: string; nickname: string | null; phone_last4: string | null; registered_day: string; merged_into: string | null;
}
export interface WholeMember {
  profile: {
    member_id: string; nickname: string | null; phone_last4: string | null; registered_day: string;
    tier: { name: string; next?: { text: string } | null; keep?: { text: string } | null }; points: { available: number; pending: number };
  };
  erased: boolean;
  consents: { marketing: boolean; personalised: boolean; precise_location: boolean };
  orders: number; spend_fen: number; last_order_day: string | null; usual_store_id: string | null;
  usual_interval_days: number | null; tags: string[];
  phone_moves: { at: string; way: "to_other" | "from_other"; other_member: string }[];
}
export interface Entry { entry_id: string; what: string; points: number; balance: number; at: string }
export interface Coupon { coupon_id: string; name: string; status: string; issued_at: string; valid_until: string }
export interface NamedTemplate { template_id: string; name: string }
export interface Terms {
  kind: string; threshold_fen?: number; off_fen?: number | null; off_bp?: number | null; cap_fen?: number | null; price_fen?: number | null; nth?: number | null;
  scope?: { dish_ids?: string[]; categories?: string[] }; store_ids?: string[]; tiers?: string[]; modes?: string[]; weekdays?: number[]; hours?: unknown[]; first_order?: boolean;
}
export interface Template {
  _id: string; name: string; revision: number; terms: Terms; valid_days?: number | null; valid_until?: string | null; claimable?: boolean;
  per_member_limit?: number | null; limits?: { quota?: number | null; budget_fen?: number | null; per_member?: number | null; per_member_day?: number | null; per_member_month?: number | null };
}
export interface TemplateState { template: Template; left: number | null; left_fen: number | null }
export interface WholeTemplate extends TemplateState { days: { day: string; redeemed: number }[] }
export interface Batch { batch: string; template_id: string; count: number; redeemed: number; status: string; actor: string; created_at: string }
export interface Message { message_id: string; title: string; body: string; at: string; opened: boolean }
export interface DryRun {
  members: number; coupon_cost_fen: number; discount_cost_fen: number; discount_saved_fen: number; next: string | null;
  moves: { before: string; after: string; when: "now" | "review"; members: number }[];
}
export interface Rules { revision: number; levels: { level: string; name: string }[] }
export interface Preview { name: string; text: string | null }
export interface Audience { members: number; matching: number; reachable: number; exact: boolean; sample: { member_id: string; orders: number; spend_fen: number; last_order_day: string | null; tier: string }[] }
export interface ShownCampaign {
  campaign_id: string; name: string; status: string; valid_from: string; valid_until: string; holdout_bp: number; revision: number;
}
export interface Finding { rule: string; severity: "error" | "warning"; field: string; message: string; source: string }
export interface Campaign {
  campaign: ShownCampaign; content: Record<string, unknown>;
  changes: { at: string; actor: string; to?: string; status?: string; reason?: string | null }[];
}
export interface Recipient { exposure_id: string; member_id: string; group: string; at: string; gift: string | null; opened: boolean }
export interface Report {
  verdict: string; cost_fen: number;
  skipped: { day: string; whole: boolean; occasions: number }[];
  groups: { group: string; members: number; messages: number; pushed: number; opened: number; redeemed: number; repurchase_rate: number | null }[];
  effects: { metric: string; group: string; difference: number; low: number; high: number; tells: boolean }[];
}
export interface Staff {
  staff_id: string; name: string; role: string; store_ids: string[]; status: "active" | "disabled"; revision: number;
}
export interface Change {
  change_id: string; at: string; staff_id: string; role: string; route: string; target: string; outcome: string;
}
