// Forms drawn from the schema of what is stored.
import { PlusOutlined } from "@ant-design/icons";
import antdTemplates from "@rjsf/antd/lib/templates/index.js";
import { withTheme } from "@rjsf/core";
import { ErrorSchemaBuilder, type IconButtonProps, type MultiSchemaFieldTemplateProps, type RJSFSchema, type UiSchema } from "@rjsf/utils";
import { customizeValidator } from "@rjsf/validator-ajv8";
import localizeZh from "ajv-i18n/localize/zh";
import { Button, Checkbox, Grid } from "antd";
import { useMemo, useState } from "react";
import { ConditionField } from "./condition";
import { widgetOf, widgets } from "./widgets";
import { useSpeech } from "./words";

export type Schema = RJSFSchema & { when?: Record<string, unknown[]> };
type Data = Record<string, unknown> | undefined | null;
/** What is wrong with a field, as the server says; `field` leads to it by dots. */
export interface Problem { field: string; message: string }

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
function Add({ onClick, disabled, className, id }: IconButtonProps) {
  const { t } = useSpeech();
  return <Button id={id} className={className} disabled={disabled} icon={<PlusOutlined />} onClick={onClick}>{t("add")}</Button>;
}
// Not the whole of antd's theme: its calendars alone are a tenth of a first visit.
const RjsfForm = withTheme({
  templates: { ...antdTemplates, MultiSchemaFieldTemplate: MaybeSet, ButtonTemplates: { ...antdTemplates.ButtonTemplates, AddButton: Add } },
  fields: { condition: ConditionField, nothing: () => null },
  widgets,
});
const NOT_NOW: UiSchema = { "ui:widget": "hidden", "ui:field": "nothing" };

const defs = (root: Schema) => (root.$defs ?? {}) as Record<string, Schema>;
const resolved = (schema: Schema, root: Schema) => (schema.$ref ? defs(root)[schema.$ref.split("/").pop()!] : schema);
/** The object behind a field, also where it may be left empty. */
const inner = (field: Schema, root: Schema): Schema | undefined =>
  ((field.anyOf ?? field.oneOf ?? [field]) as Schema[]).map((one) => resolved(one, root)).find((one) => one.properties);
const properties = (schema: Schema) => Object.entries((schema.properties ?? {}) as Record<string, Schema>);
/** Whether a field is wanted beside what is chosen: some are for some kinds only. */
const wanted = (field: Schema, beside: Schema, data: Data) =>
  Object.entries(field.when ?? {}).every(([by, kinds]) => kinds.includes(data?.[by] ?? (beside.properties?.[by] as Schema | undefined)?.default));

const plainWidgetOf = (field: Schema) =>
  field.oneOf ? "select" : field.format === "date" ? "date" : (field.type as string[]).includes("string") ? "text" : "updown";

function uiOf(schema: Schema, root: Schema, data: Data): UiSchema {
  const ui: UiSchema = {};
  for (const [name, field] of properties(schema)) {
    const widget = widgetOf(name, field);
    const part = inner(field, root);
    if (!wanted(field, schema, data)) ui[name] = NOT_NOW;
    else if (widget) ui[name] = { "ui:widget": widget };
    else if (part && part === defs(root).Condition) ui[name] = { "ui:field": "condition", "ui:fieldReplacesAnyOrOneOf": true };
    else if (part) ui[name] = uiOf(part, root, data?.[name] as Data);
    else if (field.items && inner(field.items as Schema, root)) {
      const item = inner(field.items as Schema, root)!;
      ui[name] = { items: (one: Data, n: number) => ({ "ui:title": String(one?.name || `${field.title} ${n + 1}`), ...uiOf(item, root, one) }) };
    } else if ((field.maxLength ?? 0) >= 200) ui[name] = { "ui:widget": "textarea" };
    // One that may be left empty has two types, by which no width is found.
    else if (Array.isArray(field.type)) ui[name] = { "ui:widget": plainWidgetOf(field) };
  }
  return ui;
}

/** A form's data without what isn't wanted beside what is chosen. */
function pruned(schema: Schema, root: Schema, data: Data): Data {
  if (!data) return data;
  const kept: Record<string, unknown> = { ...data };
  for (const [name, field] of properties(schema)) {
    const part = inner(field, root);
    if (!wanted(field, schema, data)) delete kept[name];
    else if (part && part !== defs(root).Condition) kept[name] = pruned(part, root, data[name] as Data);
    else if (field.items && Array.isArray(data[name])) {
      const item = inner(field.items as Schema, root);
      if (item) kept[name] = (data[name] as Data[]).map((one) => pruned(item, root, one));
    }
    if (kept[name] === undefined) delete kept[name];
  }
  return kept;
}

/** A form's data with what holds where nothing is said: nobody should have to guess. */
function filled(schema: Schema, root: Schema, data: Data): Data {
  const full: Record<string, unknown> = { ...data };
  for (const [name, field] of properties(schema)) {
    const part = inner(field, root);
    if (!wanted(field, schema, full)) continue;
    if (full[name] === undefined && ["string", "number", "boolean"].includes(typeof field.default)) full[name] = field.default;
    else if (part && part !== defs(root).Condition && (full[name] || !field.anyOf)) full[name] = filled(part, root, full[name] as Data);
    else if (Array.isArray(full[name])) {
      const item = inner((field.items ?? {}) as Schema, root);
      if (item) full[name] = (full[name] as Data[]).map((one) => filled(item, root, one));
    }
  }
  return full;
}

/** The schema without fields of these names, wherever they are: their data stay as they are. */
function without(schema: Schema, names: string[]): Schema {
  const cut = (part: Schema): Schema => ({
    ...part,
    ...(part.properties && { properties: Object.fromEntries(properties(part).filter(([name]) => !names.includes(name))) }),
    ...(part.required && { required: part.required.filter((name) => !names.includes(name)) }),
  });
  return { ...cut(schema), $defs: Object.fromEntries(Object.entries(defs(schema)).map(([name, part]) => [name, cut(part)])) } as Schema;
}

function errorsOf(problems: Problem[]) {
  const built = new ErrorSchemaBuilder();
  for (const { field, message } of problems) built.addErrors(message, field.split(".").map((step) => (/^\d+$/.test(step) ? Number(step) : step)));
  return built.ErrorSchema;
}

const ONE_FIELD = [...Object.keys(widgets), "select", "text", "updown", "checkboxes"];
const columns = (field: number) => ({
  ...Object.fromEntries(["string", "integer", "number", "boolean"].flatMap((type) => [[type, field], [`${type},null`, field]])),
  ...Object.fromEntries(ONE_FIELD.map((widget) => [widget, field])),
  textarea: 24, condition: 24, hidden: 0, object: 24, array: 24,
});
const COLUMNS = { wide: columns(8), narrow: columns(24) };

export interface SchemaFormProps {
  schema: Schema;
  value: unknown;
  onChange: (value: unknown) => void;
  onSubmit: (value: unknown) => void;
  /** Names of fields that are the system's to fill. */
  hidden: string[];
  /** Names of fields that few need: shown when they are asked for. */
  seldom?: string[];
  problems?: Problem[];
  disabled?: boolean;
  submit: string;
}

export default function SchemaForm({ schema, value, onChange, onSubmit, hidden, seldom = [], problems = [], disabled, submit }: SchemaFormProps) {
  const { t, lang } = useSpeech();
  const wide = Grid.useBreakpoint().md;
  const [all, setAll] = useState(false);
  const validator = useMemo(
    () => customizeValidator({ ajvOptionsOverrides: { discriminator: true } }, lang === "zh" ? localizeZh : undefined),
    [lang],
  );
  const shown = useMemo(() => without(schema, all ? hidden : [...hidden, ...seldom]), [schema, hidden, seldom, all]);
  const data = useMemo(() => filled(shown, shown, value as Data), [shown, value]);
  const ui = {
    ...uiOf(shown, shown, data),
    "ui:submitButtonOptions": { submitText: submit, norender: disabled ?? false, props: { type: "primary" } },
  };
  const errors = useMemo(() => errorsOf(problems), [problems]);
  return (
    // Enter in one field of many is no wish to save them all.
    <div onKeyDown={(e) => e.key === "Enter" && e.target instanceof HTMLInputElement && e.preventDefault()}>
      {seldom.length > 0 && <Checkbox checked={all} onChange={(e) => setAll(e.target.checked)} style={{ marginBottom: 12 }}>{t("moreSettings")}</Checkbox>}
      <RjsfForm
        schema={shown} uiSchema={ui} validator={validator} formData={data} disabled={disabled}
        showErrorList={false} extraErrors={errors} experimental_defaultFormStateBehavior={{ emptyObjectFields: "skipDefaults" }}
        formContext={{ colSpan: COLUMNS[wide ? "wide" : "narrow"], rowGutter: 24, labelAlign: "left" }}
        onChange={(event) => onChange(pruned(shown, shown, event.formData as Data))} onSubmit={(event) => onSubmit(event.formData)}
      />
    </div>
  );
}
