// A picture of figures, and the same figures as a table one click away.
import { DownloadOutlined } from "@ant-design/icons";
import { Button, Segmented, Space } from "antd";
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef, useState } from "react";
import { download } from "./sheet";
import { useSpeech } from "./words";

use([BarChart, LineChart, GridComponent, TooltipComponent, SVGRenderer]);

export interface Figures {
  /** What it is, for who can't see it. */
  name: string;
  option: object;
  columns: string[];
  rows: (string | number)[][];
}

export function Chart({ name, option, columns, rows }: Figures) {
  const { t } = useSpeech();
  const [shown, setShown] = useState<"chart" | "table">("chart");
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (shown !== "chart" || !place.current) return;
    const chart = init(place.current, undefined, { renderer: "svg" });
    chart.setOption({ textStyle: { fontFamily: "inherit" }, animation: false, ...option });
    const fit = new ResizeObserver(() => chart.resize());
    fit.observe(place.current);
    return () => {
      fit.disconnect();
      chart.dispose();
    };
  }, [option, shown]);
  return (
    <>
      <Space>
        <Segmented
          aria-label={name}
          size="small"
          value={shown}
          onChange={(value) => setShown(value as "chart" | "table")}
          options={[
            { value: "chart", label: t("asChart") },
            { value: "table", label: t("asTable") },
          ]}
        />
        <Button type="text" size="small" icon={<DownloadOutlined />} onClick={() => download(name, columns, rows)}>{t("excel")}</Button>
      </Space>
      {shown === "chart" ? (
        <div ref={place} className="chart" role="img" aria-label={name} />
      ) : (
        <div className="figures">
          <table>
            <thead><tr>{columns.map((title) => <th key={title}>{title}</th>)}</tr></thead>
            <tbody>{rows.map((row) => <tr key={row[0]}>{row.map((cell, n) => <td key={n}>{cell}</td>)}</tr>)}</tbody>
          </table>
        </div>
      )}
    </>
  );
}
