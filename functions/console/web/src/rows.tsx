// A table as all pages show one: all rows there are, and where it is too wide for the screen it can
// be moved by keyboard, too.
import { Grid, Table, type TableProps } from "antd";
import { useEffect, useRef } from "react";
import { Nothing } from "./parts";

export function Rows<Row extends object>(props: TableProps<Row>) {
  const narrow = !Grid.useBreakpoint().md;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.current?.querySelector(".ant-table-content")?.setAttribute("tabindex", "0");
  });
  return (
    <div ref={place}>
      <Table<Row>
        pagination={false} scroll={{ x: "max-content" }} size={narrow ? "small" : "middle"} locale={{ emptyText: <Nothing /> }} {...props}
      />
    </div>
  );
}
