// What staff do to one member, each with a reason.
import { Alert, Form, Input, InputNumber, Modal } from "antd";
import { type ReactNode, useState } from "react";
import { Refused, ask } from "../api";
import { Choose } from "../choices";
import { useRefusalWords, useToast } from "../parts";
import { type Word, useSpeech } from "../words";

interface Props { memberId: string; onClose: () => void; onDone: () => void }

interface ActionProps extends Omit<Props, "memberId"> {
  title: Word;
  help?: Word;
  danger?: boolean;
  children?: ReactNode;
  /** Does it; what it answers with is said. */
  send: (fields: Record<string, unknown>) => Promise<Word>;
}

/** A form of one thing to do, and why. */
function Action({ title, help, danger, children, send, onClose, onDone }: ActionProps) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const message = useToast();
  const [form] = Form.useForm();
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  const act = (fields: Record<string, unknown>) => {
    setBusy(true);
    send(fields).then((said) => { message.success(t(said)); onDone(); }, setRefused).finally(() => setBusy(false));
  };
  return (
    <Modal open title={t(title)} okText={t(danger ? title : "confirm")} okButtonProps={{ danger, loading: busy }} cancelText={t("cancel")} onCancel={onClose} onOk={form.submit}>
      {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
      {help && <p>{t(help)}</p>}
      <Form form={form} layout="vertical" onFinish={act} requiredMark={false}>
        {children}
        <Form.Item name="reason" label={t("reason")} rules={[{ required: true, message: t("reasonNeeded") }]}><Input maxLength={80} /></Form.Item>
      </Form>
    </Modal>
  );
}

/** An id for what is done in one opened form: sent again, it is the same thing. */
const useOnce = (letter: string) => useState(() => `${letter}${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`)[0];

export function Adjust({ memberId, ...rest }: Props) {
  const { t } = useSpeech();
  const id = useOnce("A");
  const send = (fields: object) =>
    ask<{ status: string }>("members/adjust", { ...fields, member_id: memberId, adjustment_id: id }).then((made): Word => (made.status === "applied" ? "done" : "adjustWaiting"));
  return (
    <Action title="adjust" send={send} {...rest}>
      <Form.Item name="points" label={t("points")} extra={t("adjustHelp")} rules={[{ required: true }]}><InputNumber style={{ width: 160 }} /></Form.Item>
    </Action>
  );
}

export function Issue({ memberId, ...rest }: Props) {
  const { t } = useSpeech();
  const cause = useOnce("staff:");
  const send = (fields: object) =>
    ask("members/issue", { ...fields, member_id: memberId, cause }).then((): Word => "done", (why: Refused): Word => {
      if (why.code !== "GIFT_AWAITS_APPROVAL") throw why;
      return "adjustWaiting";
    });
  return (
    <Action title="issue" send={send} {...rest}>
      <Form.Item name="template_id" label={t("coupon")} rules={[{ required: true, message: t("chooseCoupon") }]}><Choose kind="coupons" many={false} label={t("coupon")} /></Form.Item>
    </Action>
  );
}

export function Merge({ memberId, ...rest }: Props) {
  const { t } = useSpeech();
  const id = useOnce("M");
  const send = (fields: object) =>
    ask<{ status: string }>("members/merge", { ...fields, merge_id: id, into_member: memberId }).then((made): Word => (made.status === "merged" ? "done" : "mergeWaiting"));
  return (
    <Action title="merge" help="mergeHelp" danger send={send} {...rest}>
      <Form.Item name="from_member" label={t("otherMember")} rules={[{ required: true, message: t("otherMember") }]}><Input maxLength={64} /></Form.Item>
      <Form.Item name="from_code" label={t("otherCode")}><Input maxLength={32} /></Form.Item>
      <Form.Item name="into_code" label={t("ownCode")} extra={t("mergeCodeHelp")}><Input maxLength={32} /></Form.Item>
    </Action>
  );
}

export function CorrectBirthday({ memberId, onClose, onDone }: Props) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const message = useToast();
  const [form] = Form.useForm();
  const [refused, setRefused] = useState<Refused>();
  const send = (fields: object) =>
    ask("members/birthday", { ...fields, member_id: memberId }).then(() => { message.success(t("done")); onDone(); }, setRefused);
  return (
    <Modal open title={t("correctBirthday")} okText={t("confirm")} cancelText={t("cancel")} onCancel={onClose} onOk={form.submit}>
      {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
      <p>{t("correctBirthdayHelp")}</p>
      <Form form={form} layout="vertical" onFinish={send} requiredMark={false}>
        <Form.Item name="birthday" label={t("birthday")} rules={[{ required: true, pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/, message: t("birthdayNeeded") }]}><Input type="date" /></Form.Item>
      </Form>
    </Modal>
  );
}

export function Erase({ memberId, ...rest }: Props) {
  const send = (fields: object) => ask("members/erase", { ...fields, member_id: memberId }).then((): Word => "done");
  return <Action title="erase" help="eraseHelp" danger send={send} {...rest} />;
}

export function Tags({ memberId, tags, onClose }: { memberId: string; tags: string[]; onClose: () => void }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const [wanted, setWanted] = useState<string[]>(tags);
  const [refused, setRefused] = useState<Refused>();
  const send = async () => {
    for (const tag of wanted.filter((one) => !tags.includes(one))) await ask("members/tag", { tag, add: [memberId] });
    for (const tag of tags.filter((one) => !wanted.includes(one))) await ask("members/tag", { tag, remove: [memberId] });
    onClose();
  };
  return (
    <Modal open title={t("tags")} okText={t("save")} cancelText={t("cancel")} onCancel={onClose} onOk={() => send().catch(setRefused)}>
      {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
      <Choose kind="words" many label={t("tags")} value={wanted} onChange={(next) => setWanted(next as string[])} placeholder={t("tagHelp")} />
    </Modal>
  );
}
