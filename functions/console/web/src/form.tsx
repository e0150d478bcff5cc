// Forms drawn from the schema of what is stored. Money is typed in yuan and kept in fen, shares in
// percent and kept in basis points.
import { Form as RjsfForm } from "@rjsf/antd";
import type { MultiSchemaFieldTemplateProps, RJSFSchema, UiSchema, WidgetProps } from "@rjsf/utils";
import { customizeValidator } from "@rjsf/validator-ajv8";
import localizeZh from "ajv-i18n/localize/zh";
import { Grid, InputNumber, Select } from "antd";
import { useMemo } from "react";
import { useAsk } from "./api";
import { useSpeech } from "./words";

export type Schema = RJSFSchema;

function Scaled({ id, value, onChange, disabled, readonly, label, schema, unit }: WidgetProps & { unit: string }) {
  const shown = typeof value === "number" ? value / 100 : null;
  return (
    <InputNumber
      id={id} aria-label={label} style={{ width: 180 }} value={shown} disabled={disabled || readonly} precision={2} suffix={unit}
      min={typeof schema.minimum === "number" ? schema.minimum / 100 : undefined}
      onChange={(typed) => onChange(typed === null ? null : Math.round(typed * 100))}
    />
  );
}

/** Kinds of coupons are chosen by name. */
function CouponKind({ id, value, onChange, disabled, label, schema }: WidgetProps) {
  const { t } = useSpeech();
  const kinds = useAsk<{ templates: { template_id: string; name: string }[] }>("coupons/templates");
  const options = (kinds.data?.templates ?? []).map((kind) => ({ value: kind.template_id, label: kind.name }));
  return (
    <Select
      id={id} aria-label={label} style={{ width: "100%" }} mode={schema.type === "array" ? "multiple" : undefined} allowClear value={value ?? undefined}
      placeholder={t("chooseCoupon")} disabled={disabled} options={options} showSearch={{ optionFilterProp: "label" }} onChange={(chosen) => onChange(chosen ?? null)}
    />
  );
}

const widgets = {
  coupon: CouponKind,
  yuan: (props: WidgetProps) => <Scaled {...props} unit="元" />,
  percent: (props: WidgetProps) => <Scaled {...props} unit="%" />,
};

/** A part that may be set or not: the choice between them has the part's own name. */
function MaybeSet({ selector, optionSchemaField, schema }: MultiSchemaFieldTemplateProps) {
  return (
    <>
      <label className="choice">
        <span className="unseen">{schema.title}</span>
        {selector}
      </label>
      {optionSchemaField}
    </>
  );
}
const templates = { MultiSchemaFieldTemplate: MaybeSet };

/** Which widget a field has, and which are the system's to fill, by the names that are stored. */
function uiOf(schema: Schema, root: Schema, hidden: string[], depth = 0): UiSchema {
  if (depth > 8) return {};
  const ui: UiSchema = {};
  const target = schema.$ref ? ((root.$defs ?? {}) as Record<string, Schema>)[schema.$ref.split("/").pop()!] : schema;
  for (const [name, field] of Object.entries((target?.properties ?? {}) as Record<string, Schema>)) {
    if (hidden.includes(name)) ui[name] = { "ui:widget": "hidden" };
    else if (name.endsWith("_fen")) ui[name] = { "ui:widget": "yuan" };
    else if (name.endsWith("_bp")) ui[name] = { "ui:widget": "percent" };
    else if (name.endsWith("template_id") || name.endsWith("_coupons")) ui[name] = { "ui:widget": "coupon" };
    else if (field.items) ui[name] = { items: uiOf(field.items as Schema, root, hidden, depth + 1) };
    else {
      const inner = ((field.anyOf ?? field.oneOf ?? [field]) as Schema[]).find((s) => s.$ref || s.properties);
      if (inner) ui[name] = uiOf(inner, root, hidden, depth + 1);
    }
  }
  return ui;
}

const columns = (field: number) => ({
  ...Object.fromEntries(["string", "integer", "number", "boolean"].flatMap((type) => [[type, field], [`${type},null`, field]])),
  yuan: field, percent: field, coupon: field, hidden: 0, object: 24, array: 24,
});
const COLUMNS = { wide: columns(8), narrow: columns(24) };

export interface SchemaFormProps {
  schema: Schema;
  value: unknown;
  onChange: (value: unknown) => void;
  onSubmit: (value: unknown) => void;
  hidden: string[];
  disabled?: boolean;
  submit: string;
}

export default function SchemaForm({ schema, value, onChange, onSubmit, hidden, disabled, submit }: SchemaFormProps) {
  const { lang } = useSpeech();
  const wide = Grid.useBreakpoint().md;
  const validator = useMemo(
    () => customizeValidator({ ajvOptionsOverrides: { discriminator: true } }, lang === "zh" ? localizeZh : undefined),
    [lang],
  );
  const ui = useMemo(
    () => ({ ...uiOf(schema, schema, hidden), "ui:submitButtonOptions": { submitText: submit, norender: disabled ?? false, props: { type: "primary" } } }),
    [schema, hidden, submit, disabled],
  );
  return (
    <RjsfForm
      schema={schema} uiSchema={ui} validator={validator} formData={value} disabled={disabled} widgets={widgets} templates={templates} showErrorList={false}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: "skipDefaults" }}
      formContext={{ colSpan: COLUMNS[wide ? "wide" : "narrow"], rowGutter: 24, labelAlign: "left" }}
      onChange={(event) => onChange(event.formData)} onSubmit={(event) => onSubmit(event.formData)}
    />
  );
}
