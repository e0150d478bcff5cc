import { createContext, useContext } from "react";
import type { Me } from "./types";

export const MeContext = createContext<Me>({ staff_id: "", name: "", role: "", store_ids: [], new_password: false, may: [] });
export const useMe = () => useContext(MeContext);
/** Whether the one who is signed in may ask for a route: what they may not is not shown. */
export const useMay = () => {
  const me = useMe();
  return (route: string) => me.may.includes(route);
};
