// How single fields of forms are typed in, and which of them is which, by the names that are stored.
// Money is typed in yuan and kept in fen, shares in percent and kept in basis points.
import CheckboxWidget from "@rjsf/antd/lib/widgets/CheckboxWidget/index.js";
import CheckboxesWidget from "@rjsf/antd/lib/widgets/CheckboxesWidget/index.js";
import SelectWidget from "@rjsf/antd/lib/widgets/SelectWidget/index.js";
import TextareaWidget from "@rjsf/antd/lib/widgets/TextareaWidget/index.js";
import type { RJSFSchema, WidgetProps } from "@rjsf/utils";
import { InputNumber } from "antd";
import { Suspense, lazy } from "react";
import { Choose, KINDS, type Kind } from "./choices";
import { useSpeech } from "./words";

const CLOCK = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
const BY_NAME: [RegExp, string][] = [
  [/_fen$/, "yuan"], [/_bp$/, "percent"], [/^push_template_id$/, "pushes"], [/template_id$|_coupons$/, "coupons"], [/^store_ids$/, "stores"],
  [/^(except_)?dish_ids?$/, "dishes"], [/^categories$/, "categories"], [/^tiers$/, "levels"], [/^weekdays$/, "weekdays"],
  [/^month_days$/, "monthDays"], [/^methods$|^opengids$/, "words"],
];

export function widgetOf(name: string, field: RJSFSchema): string | undefined {
  if (field.pattern === CLOCK) return "clock";
  if (field.format === "date") return "date";
  return BY_NAME.find(([pattern]) => pattern.test(name))?.[1];
}

function Scaled({ id, value, onChange, disabled, readonly, label, schema, unit }: WidgetProps & { unit: string }) {
  const shown = typeof value === "number" ? value / 100 : null;
  return (
    <InputNumber
      id={id} aria-label={label} style={{ width: "100%", maxWidth: 220 }} value={shown} disabled={disabled || readonly} precision={2} suffix={unit}
      min={typeof schema.minimum === "number" ? schema.minimum / 100 : undefined}
      onChange={(typed) => onChange(typed === null ? null : Math.round(typed * 100))}
    />
  );
}

const picked = (name: "Clock" | "Day") => {
  const Picker = lazy(() => import("./pickers").then((pickers) => ({ default: pickers[name] })));
  return (props: WidgetProps) => <Suspense fallback={null}><Picker {...props} /></Suspense>;
};

const chosenFrom = (kind: Kind) =>
  function Chosen({ id, value, onChange, disabled, label, schema }: WidgetProps) {
    return <Choose kind={kind} many={schema.type === "array"} id={id} label={label} value={value} disabled={disabled} onChange={onChange} />;
  };

export const widgets = {
  CheckboxWidget, CheckboxesWidget, SelectWidget, TextareaWidget,
  yuan: (props: WidgetProps) => <Scaled {...props} unit={useSpeech().t("yuan")} />,
  percent: (props: WidgetProps) => <Scaled {...props} unit="%" />,
  clock: picked("Clock"),
  date: picked("Day"),
  ...Object.fromEntries(KINDS.map((kind) => [kind, chosenFrom(kind)])),
};
