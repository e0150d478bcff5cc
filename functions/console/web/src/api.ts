// Asking the console's function. What it refuses is thrown with the words it was refused in.
import { useCallback, useEffect, useState } from "react";
import { type Lang, useSpeech } from "./words";

export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly field?: string,
  ) {
    super(message);
  }
}

let lang: Lang = "zh";
let whenSignedOut: () => void = () => undefined;

export const speak = (spoken: Lang) => {
  lang = spoken;
};
export const onSignedOut = (then: () => void) => {
  whenSignedOut = then;
};

export async function ask<T>(route: string, fields: object = {}): Promise<T> {
  let answered: Response;
  try {
    answered = await fetch(`/api/${route}`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-Huitou": "1" },
      body: JSON.stringify({ ...fields, lang }),
    });
  } catch {
    throw new Refused("OFFLINE", "");
  }
  const body = await answered.json().catch(() => null);
  if (body?.ok) return body.data as T;
  if (answered.status === 401 && route !== "session/sign_in" && route !== "session/password") whenSignedOut();
  throw new Refused(body?.error?.code ?? "INTERNAL", body?.error?.message ?? "", body?.error?.field);
}

export interface Asked<T> {
  data?: T;
  refused?: Refused;
  busy: boolean;
  again: () => void;
}

/** What a route answers, asked anew when its words or the language change; `null` asks nothing. */
export function useAsk<T>(route: string | null, fields: object = {}): Asked<T> {
  const spoken = useSpeech().lang;
  const [state, setState] = useState<{ data?: T; refused?: Refused; busy: boolean }>({ busy: route !== null });
  const [turn, setTurn] = useState(0);
  const words = JSON.stringify(fields);
  useEffect(() => {
    if (route === null) return;
    let gone = false;
    setState((before) => ({ ...before, busy: true }));
    ask<T>(route, JSON.parse(words)).then(
      (data) => gone || setState({ data, busy: false }),
      (refused: Refused) => gone || setState({ refused, busy: false }),
    );
    return () => {
      gone = true;
    };
  }, [route, words, turn, spoken]);
  return { ...state, again: useCallback(() => setTurn((t) => t + 1), []) };
}
