// Choosing a time of day or a day: apart, since calendars are large and few forms have any.
import type { WidgetProps } from "@rjsf/utils";
import { DatePicker, TimePicker } from "antd";
import dayjs from "dayjs";

export function Clock({ id, value, onChange, disabled, label }: WidgetProps) {
  return (
    <TimePicker
      id={id} aria-label={label} format="HH:mm" needConfirm={false} allowClear={false} disabled={disabled} style={{ width: "100%", maxWidth: 160 }}
      value={value ? dayjs(`2026-01-01T${value}`) : null} onChange={(at) => onChange(at ? at.format("HH:mm") : undefined)}
    />
  );
}

export function Day({ id, value, onChange, disabled, label, required }: WidgetProps) {
  return (
    <DatePicker
      id={id} aria-label={label} disabled={disabled} style={{ width: "100%" }}
      value={value ? dayjs(value) : null} onChange={(day) => onChange(day ? day.format("YYYY-MM-DD") : required ? undefined : null)}
    />
  );
}
