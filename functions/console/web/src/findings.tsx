// What the linter finds in a rule: what is forbidden, and what only looks odd.
import { Alert, Button, List, Space, Tag } from "antd";
import type { Finding } from "./types";
import { useSpeech } from "./words";

export function Findings({ findings, onAccept }: { findings: Finding[]; onAccept?: (rule: string) => void }) {
  const { t } = useSpeech();
  if (findings.length === 0) return <Alert type="success" showIcon title={t("noFindings")} />;
  return (
    <List
      header={t("findings")} bordered size="small" dataSource={findings}
      renderItem={(f) => (
        <List.Item actions={f.severity === "warning" && onAccept ? [<Button key="accept" size="small" onClick={() => onAccept(f.rule)}>{t("acceptWarning")}</Button>] : []}>
          <List.Item.Meta
            title={<Space><Tag color={f.severity === "error" ? "red" : "orange"}>{t(f.severity)}</Tag>{f.message}</Space>}
            description={f.source}
          />
        </List.Item>
      )}
    />
  );
}

/** A rule is stored; what looks odd about it is told, and nobody has to answer. */
export function Warnings({ found }: { found: Finding[] }) {
  const { t } = useSpeech();
  if (found.length === 0) return null;
  return (
    <>
      <Alert role="status" type="warning" showIcon title={t("storedWithWarnings")} style={{ marginBottom: 8 }} />
      <Findings findings={found} />
    </>
  );
}
