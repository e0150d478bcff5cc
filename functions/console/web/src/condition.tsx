// Whom a campaign is for, as people say it: all of these, any of these, none of these.
import { CloseOutlined } from "@ant-design/icons";
import type { FieldProps, RJSFSchema } from "@rjsf/utils";
import { Button, InputNumber, Select, Space } from "antd";
import { Choose, type Kind } from "./choices";
import { useSpeech } from "./words";

const GROUPS = ["all_of", "any_of", "none_of"] as const;
type Group = (typeof GROUPS)[number];
export type Condition = {
  [name in Group]?: Condition[];
} & {
  feature?: string | null; at_least?: number | null; at_most?: number | null; days?: number | null;
  category?: string | null; among?: string[]; is_so?: boolean | null;
};
const DEEPEST = 4;
const NAMED: Record<string, Kind> = {
  usual_store: "stores", registered_store: "stores", tier: "levels", tag: "words", registered_channel: "channels",
};
const PARTS = 100; // Of what is stored, in what is typed: fen in a yuan, basis points in a percent.

type Fields = Record<string, RJSFSchema & { when?: { feature?: string[] } }>;

const groupOf = (one: Condition): Group | undefined => GROUPS.find((name) => one[name]?.length);
const without = <T,>(list: T[], place: number) => list.filter((_, n) => n !== place);
const with_ = <T,>(list: T[], place: number, one: T) => list.map((old, n) => (n === place ? one : old));

export function ConditionField({ formData, onChange, fieldPathId, registry, disabled, schema }: FieldProps) {
  const { t } = useSpeech();
  const fields = (registry.rootSchema.$defs?.Condition as RJSFSchema).properties as Fields;
  const value = formData as Condition | null | undefined;
  const change = (next: Condition | null) => onChange(next, fieldPathId.path);
  const group = value && (groupOf(value) ? value : { all_of: [value] });
  return (
    <fieldset className="conditions">
      <legend>{schema.title}</legend>
      {group ? (
        <OfGroup value={group} fields={fields} depth={0} disabled={disabled} onChange={(next) => change(groupOf(next) ? next : null)} />
      ) : (
        <Space wrap>
          {t("everybody")}
          {!disabled && <Button size="small" onClick={() => change({ all_of: [{}] })}>{t("narrow")}</Button>}
        </Space>
      )}
    </fieldset>
  );
}

interface Props {
  value: Condition;
  fields: Fields;
  depth: number;
  disabled?: boolean;
  onChange: (value: Condition) => void;
}

function OfGroup({ value, fields, depth, disabled, onChange }: Props) {
  const { t } = useSpeech();
  const mode = groupOf(value) ?? "all_of";
  const parts = value[mode] ?? [];
  const set = (next: Condition[], as: Group = mode) => onChange({ [as]: next });
  return (
    <div className="group">
      <Select
        aria-label={t("howJoined")} value={mode} disabled={disabled} style={{ width: 140 }} onChange={(as: Group) => set(parts, as)}
        options={GROUPS.map((name) => ({ value: name, label: String(fields[name].title) }))}
      />
      {parts.map((part, n) => (
        <div className="part" key={n}>
          {groupOf(part) ? (
            <OfGroup value={part} fields={fields} depth={depth + 1} disabled={disabled} onChange={(next) => set(groupOf(next) ? with_(parts, n, next) : without(parts, n))} />
          ) : (
            <OfFeature value={part} fields={fields} depth={depth} disabled={disabled} onChange={(next) => set(with_(parts, n, next))} />
          )}
          {!disabled && <Button type="text" size="small" aria-label={t("remove")} icon={<CloseOutlined />} onClick={() => set(without(parts, n))} />}
        </div>
      ))}
      {!disabled && (
        <Space>
          <Button size="small" onClick={() => set([...parts, {}])}>{t("addCondition")}</Button>
          {depth + 2 < DEEPEST && <Button size="small" onClick={() => set([...parts, { any_of: [{}] }])}>{t("addGroup")}</Button>}
        </Space>
      )}
    </div>
  );
}

function OfFeature({ value, fields, disabled, onChange }: Props) {
  const { t } = useSpeech();
  const feature = value.feature ?? undefined;
  const is = (name: string) => !!feature && !!fields[name].when?.feature?.includes(feature);
  const choices = (fields.feature.oneOf as { const: string | null; title: string }[]).filter((choice) => choice.const !== null);
  const [scale, unit] = feature?.endsWith("_fen") ? [PARTS, t("yuan")] : feature?.endsWith("_bp") ? [PARTS, "%"] : [1, ""];
  const number = (name: "at_least" | "at_most" | "days", by = scale, suffix = unit) => (
    <InputNumber
      aria-label={String(fields[name].title)} placeholder={String(fields[name].title)} suffix={suffix} disabled={disabled} style={{ width: 130 }}
      value={typeof value[name] === "number" ? value[name] / by : null}
      onChange={(typed) => onChange({ ...value, [name]: typed === null ? null : Math.round(typed * by) })}
    />
  );
  return (
    <Space wrap size={8}>
      <Select
        aria-label={String(fields.feature.title)} placeholder={String(fields.feature.title)} style={{ width: 180 }} disabled={disabled} value={feature}
        showSearch={{ optionFilterProp: "label" }} options={choices.map((choice) => ({ value: choice.const, label: choice.title }))}
        onChange={(next) => onChange({ feature: next, ...(fields.is_so.when?.feature?.includes(next) ? { is_so: true } : {}) })}
      />
      {is("category") && <Choose kind="categories" many={false} label={String(fields.category.title)} value={value.category} disabled={disabled} onChange={(next) => onChange({ ...value, category: next as string })} />}
      {is("at_least") && number("at_least")}
      {is("at_most") && number("at_most")}
      {is("days") && number("days", 1, t("daysUnit"))}
      {is("among") && <Choose kind={NAMED[feature!] ?? "words"} many label={String(fields.among.title)} value={value.among} disabled={disabled} onChange={(next) => onChange({ ...value, among: next as string[] })} />}
      {is("is_so") && (
        <Select
          aria-label={String(fields.is_so.title)} value={value.is_so ?? true} disabled={disabled} style={{ width: 80 }} onChange={(next) => onChange({ ...value, is_so: next })}
          options={[{ value: true, label: t("isSo") }, { value: false, label: t("isNotSo") }]}
        />
      )}
    </Space>
  );
}
