// state.js - the gateway's state, kept fresh by a long poll; what cannot be reached is shown as old.
import { signal } from "@preact/signals";

export const state = signal(null);
export const isOld = signal(false);

export async function follow() {
  let since = 0;
  for (;;) {
    try {
      const answer = await fetch(`/desk/v1/state?since=${since}&wait_s=10`, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      state.value = await answer.json();
      since = state.value.change;
      isOld.value = false;
    } catch {
      isOld.value = state.value !== null;
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

export function closeStudy(uid) {
  return fetch(`/desk/v1/studies/${uid}/close`, { method: "POST", headers: { "X-Radpost-Desk": "1" } });
}
