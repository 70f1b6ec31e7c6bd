// draft.js - the text of a report while it is being written: kept in this browser at each keystroke, at the server every
// three seconds, never overwritten unseen. `base` is the counter of the draft our text grew from.
import { signal } from "@preact/signals";
import { keyOf } from "./kept_drafts.js";

export const FIELDS = ["exam", "findings", "impression"];
const AUTOSAVE_MS = 3000;
const pick = (from) => Object.fromEntries(FIELDS.map((name) => [name, from?.[name] ?? ""]));
const same = (a, b) => FIELDS.every((name) => a[name] === b[name]);

export class Draft {
  // save(body) => Promise of {base, saved_at}; throws {status, body}. store: like localStorage, may be null.
  constructor({ read, login, save, store = globalThis.localStorage, later = setTimeout, never = clearTimeout }) {
    Object.assign(this, { read, login, save, store, later, never });
    this.fields = signal(pick(null));
    this.status = signal({ kind: "clean" }); // clean dirty saving saved conflict refused lost
    this.base = null;
    this.saved = pick(null);
    this.timer = 0;
    this.saving = null;
    this.isHeld = false; // the text may be changed here, but travels only with the next step (a review)
  }

  get key() {
    return keyOf(this.read);
  }

  get isDirty() {
    return !same(this.fields.value, this.saved);
  }

  // What the server has. Our unsaved text stays: it grew from this base, or the two are shown side by side.
  take(report) {
    const theirs = pick(report);
    this.theirBase = null;
    const isFirst = this.base === null;
    const ours = isFirst ? this.keptHere() : this.isDirty ? { base: this.base, fields: this.fields.value } : null;
    this.saved = theirs;
    this.base = report.base;
    if (!ours || same(ours.fields, theirs)) {
      this.fields.value = theirs;
      this.drop();
      this.status.value = report.saved_at ? { kind: "saved", at: report.saved_at } : { kind: "clean" };
    } else if (ours.base === report.base) {
      this.fields.value = ours.fields;
      this.mark("dirty", { isRestored: isFirst });
      this.plan();
    } else {
      this.fields.value = ours.fields;
      this.mark("conflict", { theirs, by: report.saved_by?.name ?? report.author?.name ?? "" });
    }
  }

  edit(name, text) {
    this.fields.value = { ...this.fields.value, [name]: text };
    this.keepHere();
    if (this.status.value.kind === "conflict") return;
    if (this.status.value.kind !== "saving") this.mark("dirty");
    this.plan();
  }

  // Three seconds after the first change, not after the last: who types on is saved too.
  plan() {
    if (this.isHeld || this.timer || this.status.value.kind === "conflict") return;
    this.timer = this.later.call(globalThis, () => this.flush().catch(() => null), AUTOSAVE_MS);
  }

  // Saves now; resolves with the base when all of it is kept, throws when it is not.
  async flush() {
    this.never.call(globalThis, this.timer);
    this.timer = 0;
    if (this.isHeld) return this.base;
    if (this.saving) await this.saving.catch(() => null);
    if (this.status.value.kind === "conflict") throw Object.assign(new Error("conflict"), { status: 409 });
    if (this.isDirty) {
      this.saving = this.send();
      await this.saving.finally(() => (this.saving = null));
    }
    return this.base;
  }

  async send() {
    const fields = this.fields.value;
    this.mark("saving");
    try {
      const answer = await this.save({ base: this.base, ...fields });
      this.base = answer.base;
      this.saved = fields;
      this.mark(this.isDirty ? "dirty" : "saved", { at: answer.saved_at });
      if (this.isDirty) this.plan();
      else this.drop();
      this.keepHere();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  // 409 with their text: somebody else saved. Any other refusal is told; what was not reached is tried again.
  fail(error) {
    const theirs = error.body?.current ?? (error.body?.base !== undefined ? error.body : null);
    if (error.status === 409 && theirs) {
      this.theirBase = theirs.base;
      this.mark("conflict", { theirs: pick(theirs), by: theirs.saved_by?.name ?? theirs.saved_by ?? theirs.author?.name ?? "" });
    } else if (error.status >= 400 && error.status < 500) {
      this.mark("refused", { error });
    } else {
      this.mark("lost");
      this.plan();
    }
  }

  // The writer has seen both texts and chosen.
  settle(isOurs) {
    const { theirs } = this.status.value;
    this.base = this.theirBase ?? this.base;
    this.saved = theirs;
    if (!isOurs) this.fields.value = theirs;
    this.theirBase = null;
    this.mark(this.isDirty ? "dirty" : "saved");
    if (this.isDirty) this.plan();
    else this.drop();
  }

  mark(kind, more = {}) {
    this.status.value = { kind, at: this.status.value.at, ...more };
  }

  stop() {
    this.never.call(globalThis, this.timer);
    this.timer = 0;
  }

  // ---- in this browser, until the server has it ----

  keepHere() {
    if (!this.isDirty) return;
    try {
      this.store?.setItem(this.key, JSON.stringify({ base: this.base, login: this.login, fields: this.fields.value }));
    } catch {
      return;
    }
  }

  keptHere() {
    try {
      const kept = JSON.parse(this.store?.getItem(this.key) ?? "null");
      return kept?.login === this.login ? { base: kept.base, fields: pick(kept.fields) } : null;
    } catch {
      return null;
    }
  }

  drop() {
    try {
      this.store?.removeItem(this.key);
    } catch {
      return;
    }
  }
}
