// What a table shows, as a file for Excel.
/** Numbers as numbers, so that ¥1,234.50 and 36.8% can be reckoned with there. */
function cellOf(shown: string) {
  const plain = shown.trim().replace(/^−/, "-").replace(/[¥,]/g, "");
  if (/^-?\d+(\.\d+)?%$/.test(plain)) return { value: Number((Number.parseFloat(plain) / 100).toFixed(6)), format: "0.0%" };
  return /^-?\d+(\.\d+)?$/.test(plain) && !/^0\d/.test(plain) && plain.length < 16 ? Number(plain) : shown.trim();
}

/** The rows of a table as it is on the page; switches as yes or no, columns without a title left out. */
export function rowsOf(table: HTMLTableElement, yes: string, no: string): { columns: string[]; rows: string[][] } {
  const heads = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent ?? "");
  const said = (cell: Element) => {
    const state = cell.querySelector("[role=switch]")?.getAttribute("aria-checked");
    return state ? (state === "true" ? yes : no) : ((cell as HTMLElement).innerText ?? "");
  };
  const rows = [...table.querySelectorAll("tbody tr[data-row-key]")].map((row) => [...row.querySelectorAll("td")].map(said));
  const kept = heads.flatMap((title, n) => (title ? [n] : []));
  return { columns: kept.map((n) => heads[n]), rows: rows.map((row) => kept.map((n) => row[n] ?? "")) };
}

export async function download(name: string, columns: string[], rows: (string | number)[][]) {
  const { default: writeExcelFile } = await import("write-excel-file/universal");
  const head = columns.map((value) => ({ value, fontWeight: "bold" as const }));
  const cells = rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell : cellOf(cell))));
  const widths = columns.map((title, n) => ({ width: Math.min(60, Math.max(10, ...[title, ...rows.map((row) => String(row[n] ?? ""))].map((text) => text.length * 1.6))) }));
  const blob = await writeExcelFile([head, ...cells], { columns: widths, sheet: name.slice(0, 31) }).toBlob();
  save(blob, `${name}.xlsx`);
}

/** Hand a file over to the browser's downloads. */
export function save(content: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name.replace(/[\\/:*?"<>|]/g, " ");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
