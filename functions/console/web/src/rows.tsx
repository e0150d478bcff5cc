// A table as all pages show one: all rows there are, where it is too wide for the screen it can be
// moved by keyboard, too, and one click away as a file for Excel.
import { DownloadOutlined } from "@ant-design/icons";
import { Button, Grid, Table, type TableProps } from "antd";
import { useEffect, useRef } from "react";
import { Nothing } from "./parts";
import { download, rowsOf } from "./sheet";
import { useSpeech } from "./words";

/** `name` is what the file is called; without one there is none. */
export function Rows<Row extends object>({ name, ...props }: TableProps<Row> & { name?: string }) {
  const { t } = useSpeech();
  const narrow = !Grid.useBreakpoint().md;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.current?.querySelector(".ant-table-content")?.setAttribute("tabindex", "0");
  });
  const file = () => {
    const { columns, rows } = rowsOf(place.current!.querySelector("table")!, t("isSo"), t("isNotSo"));
    download(name!, columns, rows);
  };
  return (
    <div ref={place}>
      <Table<Row>
        pagination={false} scroll={{ x: "max-content" }} size={narrow ? "small" : "middle"} locale={{ emptyText: <Nothing /> }} {...props}
      />
      {name && !!props.dataSource?.length && (
        <div className="file"><Button type="text" size="small" icon={<DownloadOutlined />} onClick={file}>{t("excel")}</Button></div>
      )}
    </div>
  );
}
