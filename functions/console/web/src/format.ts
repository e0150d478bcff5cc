// Money, rates and moments as people read them.
import dayjs from "dayjs";

export const yuan = (fen: number) =>
  `${fen < 0 ? "−" : ""}¥${(Math.abs(fen) / 100).toLocaleString("zh-CN", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
export const count = (n: number) => n.toLocaleString("zh-CN");
export const percent = (rate: number | null | undefined) => (rate == null ? "—" : `${(rate * 100).toFixed(1)}%`);
export const moment = (at: string) => dayjs(at).format("YYYY-MM-DD HH:mm");
export const signed = (n: number) => (n > 0 ? `+${count(n)}` : count(n));
