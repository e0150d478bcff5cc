// What people choose by name where an id is stored: stores, dishes, tiers, kinds of coupons.
import { Select } from "antd";
import { useMemo } from "react";
import { useAsk } from "./api";
import type { BrandDish, NamedTemplate, Rules, Store } from "./types";
import { type Word, useSpeech } from "./words";

export const KINDS = ["stores", "dishes", "categories", "levels", "coupons", "pushes", "weekdays", "monthDays", "channels", "words"] as const;
export type Kind = (typeof KINDS)[number];

const ROUTES: Partial<Record<Kind, string>> = {
  stores: "stores/list", dishes: "menu/dishes", categories: "menu/dishes", levels: "tiers/history", coupons: "coupons/templates", pushes: "campaigns/pushes",
};
export const WEEKDAYS: Word[] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

interface Known {
  stores?: Store[]; dishes?: BrandDish[]; templates?: NamedTemplate[]; revisions?: Rules[];
}

export interface Choice { value: string | number; label: string }

/** All there is to choose from. */
export function useChoices(kind: Kind): { options: Choice[]; busy: boolean } {
  const { t } = useSpeech();
  const asked = useAsk<Known>(ROUTES[kind] ?? null);
  const options = useMemo(() => {
    const { stores = [], dishes = [], templates = [], revisions = [] } = asked.data ?? {};
    if (kind === "stores") return stores.map((s) => ({ value: s.store_id, label: s.name }));
    if (kind === "dishes") return dishes.map((d) => ({ value: d.dish_id, label: d.content.name }));
    if (kind === "categories") return [...new Set(dishes.map((d) => d.content.category))].map((c) => ({ value: c, label: c }));
    if (kind === "levels") return (revisions[0]?.levels ?? []).map((l) => ({ value: l.level, label: l.name }));
    if (kind === "coupons" || kind === "pushes") return templates.map((c) => ({ value: c.template_id, label: c.name }));
    if (kind === "weekdays") return WEEKDAYS.map((word, n) => ({ value: n, label: t(word) }));
    if (kind === "monthDays") return Array.from({ length: 31 }, (_, n) => ({ value: n + 1, label: String(n + 1) }));
    if (kind === "channels") return [{ value: "mini_program", label: t("miniProgram") }, { value: "import", label: t("imported") }];
    return [];
  }, [asked.data, kind, t]);
  return { options, busy: asked.busy };
}

const PLACEHOLDERS: Partial<Record<Kind, Word>> = { coupons: "chooseCoupon", words: "typeAndEnter" };

interface ChooseProps {
  kind: Kind;
  many: boolean;
  /** Both are a form's to give where it stands in one. */
  value?: unknown;
  onChange?: (value: unknown) => void;
  label: string;
  id?: string;
  disabled?: boolean;
  placeholder?: string;
}

export function Choose({ kind, many, value, onChange, label, id, disabled, placeholder }: ChooseProps) {
  const { t } = useSpeech();
  const { options, busy } = useChoices(kind);
  const free = kind === "words";
  return (
    <Select
      id={id} aria-label={label} style={{ width: "100%", minWidth: 160 }} mode={free ? "tags" : many ? "multiple" : undefined} allowClear loading={busy}
      placeholder={placeholder ?? t(PLACEHOLDERS[kind] ?? "choose")} disabled={disabled} value={value ?? (many || free ? [] : undefined)} options={options}
      showSearch={{ optionFilterProp: "label" }} onChange={(chosen: unknown) => onChange?.(chosen ?? (many || free ? [] : null))}
      {...(free ? { open: false, suffixIcon: null, tokenSeparators: [",", "，", "、"] } : {})}
    />
  );
}
