// kept_drafts.js - texts of reports that this browser keeps until the server has them: where, and that they go.
const PREFIX = "radpost.draft.";

export const keyOf = (read) => `${PREFIX}${read}`;

function loginOf(text) {
  try {
    return JSON.parse(text)?.login;
  } catch {
    return undefined;
  }
}

// All of a person's: who sits here next must not find them. store: like localStorage.
export function forgetDrafts(login, store) {
  try {
    const keys = Array.from({ length: store.length }, (_, i) => store.key(i)).filter((key) => key.startsWith(PREFIX));
    for (const key of keys) if ([login, undefined].includes(loginOf(store.getItem(key)))) store.removeItem(key);
  } catch {
    return;
  }
}
