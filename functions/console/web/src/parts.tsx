// What several pages share: how waiting, failing and having nothing look, and choosing a store.
import { Alert, Button, Empty, Select, Spin } from "antd";
import type { MessageInstance } from "antd/es/message/interface";
import { type ReactNode, createContext, useContext, useEffect, useState } from "react";
import { type Asked, Refused, useAsk } from "./api";
import type { Store } from "./types";
import { type Word, useSpeech } from "./words";

/** Short words at the top of the page: that something is done, or why not. */
export const ToastContext = createContext<MessageInstance>(null!);
export const useToast = () => useContext(ToastContext);

/** Words of a refusal: the server's own, or that there is none to be reached. */
export function useRefusalWords() {
  const { t } = useSpeech();
  return (refused: Refused) => refused.message || t("offline");
}

/** A value once it hasn't changed for a moment: what is typed is asked about when it is typed. */
export function useSettled<T>(value: T, wait_ms = 400): T {
  const [settled, setSettled] = useState(value);
  const said = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(JSON.parse(said)), wait_ms);
    return () => clearTimeout(timer);
  }, [said, wait_ms]);
  return settled;
}

/** A refusal as what is wrong with a field of a form that was sent under this name. */
export const problemsOf = (refused: Refused | undefined, sent: string) =>
  refused?.field?.startsWith(`${sent}.`) ? [{ field: refused.field.slice(sent.length + 1), message: withoutPath(refused) }] : [];
const withoutPath = ({ message, field = "" }: Refused) => message.replace(field, "").replace(/^[^：:]*[：:]\s*/, "").trim();

/** Whether it was asked for and waits until a second person approves it. */
export const waits = (refused: Refused) => refused.code === "RULE_AWAITS_APPROVAL" || refused.code === "GIFT_AWAITS_APPROVAL";

/** Why a form wasn't taken; `onReload` shows what somebody else has made of it meanwhile. */
export function NotTaken({ refused, sent, late = "somebodyElse", onReload }: { refused?: Refused; sent: string; late?: Word; onReload?: () => void }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  if (!refused) return null;
  const isLate = refused.code === "RULES_CONFLICT";
  const isField = (refused.field === sent && !waits(refused)) || problemsOf(refused, sent).length > 0;
  return (
    <Alert
      role="alert" type={waits(refused) ? "info" : "error"} showIcon style={{ marginTop: 12 }} title={isLate ? t(late) : isField ? t("lookAtFields", { why: withoutPath(refused) }) : words(refused)}
      action={isLate && onReload && <Button onClick={onReload}>{t("reload")}</Button>}
    />
  );
}

export function Told<T>({ asked, children }: { asked: Asked<T>; children: (data: T) => ReactNode }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  if (asked.refused)
    return (
      <Alert type="error" showIcon title={words(asked.refused)} action={<Button onClick={asked.again}>{t("again")}</Button>} />
    );
  if (asked.data === undefined)
    return (
      <Spin description={t("loading")}>
        <div style={{ height: 200 }} />
      </Spin>
    );
  return <>{children(asked.data)}</>;
}

export function Nothing({ words }: { words?: string }) {
  const { t } = useSpeech();
  return <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={words ?? t("nothing")} />;
}

export const useStores = () => useAsk<{ stores: Store[] }>("stores/list");

export function StoreSelect(props: { stores: Store[]; value?: string; onChange: (id: string) => void; whole?: boolean }) {
  const { t } = useSpeech();
  const options = props.stores.map((store) => ({ value: store.store_id, label: store.name }));
  return (
    <Select
      aria-label={t("store")}
      style={{ minWidth: 180 }}
      showSearch={{ optionFilterProp: "label" }}
      value={props.value ?? ""}
      onChange={props.onChange}
      options={props.whole ? [{ value: "", label: t("wholeChain") }, ...options] : options}
    />
  );
}
