// report_state.js - a read and its report as the page has them, and everything that can be done to them at the server.
import { signal } from "@preact/signals";
import { get, post, put } from "../../shared/api.js";
import { Draft } from "./draft.js";

const SHOWN_MS = 1000;
const pickText = ({ exam, findings, impression }) => ({ exam, findings, impression });

// The version that was signed last, with its text; undefined when none was.
export const latest = (report) => [...(report.versions ?? [])].sort((a, b) => a.version - b.version).at(-1);

export class ReportState {
  constructor(read, login) {
    this.read = read;
    this.login = login;
    this.item = signal(null);
    this.report = signal(null);
    this.error = signal(null); // of the first load
    this.message = signal(null); // {kind, word | error}
    this.draft = new Draft({ read, login, save: (body) => this.save(body) });
    this.toTell = new Set(); // instances whose proved pixels were shown
    this.opened = new Set(); // instances seen as first looks
  }

  path(rest) {
    return `reads/${this.read}/${rest}`;
  }

  // That the network was away is over with the first thing that goes through.
  async save(body) {
    const answer = await put(this.path("draft"), body);
    if (this.message.value?.error?.status === 0) this.message.value = null;
    return answer;
  }

  async load() {
    try {
      const asked = get(this.path("report"));
      asked.catch(() => null);
      const item = await get(`reads/${this.read}`);
      this.item.value = item; // images need not wait for the report
      const report = await asked;
      this.take(report);
      this.error.value = null;
    } catch (error) {
      if (!this.item.value) this.error.value = error;
    }
    this.keepLease();
  }

  // Who reviews changes the text with the review; whoever may do neither sees what was signed.
  take(report) {
    const { may } = report;
    const isBlank = ![report.exam, report.findings, report.impression].some((text) => text);
    const signed = isBlank && !may.write ? latest(report) : null;
    this.report.value = report;
    this.draft.isHeld = !may.write;
    this.draft.take(signed ? { ...report, ...pickText(signed) } : report);
  }

  // An event of the worklist: somebody did something, perhaps to this read.
  async refresh() {
    try {
      this.item.value = await get(`reads/${this.read}`);
      const report = await get(this.path("report"));
      if (!this.draft.saving && !this.draft.isDirty) this.take(report);
      else this.report.value = report;
    } catch {
      return;
    }
  }

  get isMine() {
    return this.item.value?.claimed_by?.login === this.login;
  }

  // ---- lease ----

  async claim() {
    await post(this.path("claim"));
    await this.load();
  }

  async release() {
    await this.draft.flush();
    clearTimeout(this.leaseTimer);
    await post(this.path("release"));
    await this.load();
  }

  keepLease() {
    clearTimeout(this.leaseTimer);
    const item = this.item.value;
    if (!this.isMine || !item.lease_until) return;
    const left = new Date(item.lease_until).getTime() - Date.now();
    this.leaseTimer = setTimeout(() => this.renew(), Math.min(300_000, Math.max(5000, left / 3)));
  }

  async renew() {
    try {
      const { lease_until } = await post(this.path("renew"));
      this.item.value = { ...this.item.value, lease_until };
      this.keepLease();
    } catch (error) {
      if (error.status === 0) return this.keepLease();
      this.message.value = { kind: "bad", word: "rd_lease_lost", of: error.body?.by?.name ?? error.body?.by };
      await this.refresh();
    }
  }

  // ---- steps: each saves the draft first, and says what came of it ----

  // seen: the counter of the report when the question was asked; it may have been signed anew since.
  async act(path, body, done, seen) {
    this.message.value = null;
    try {
      const hasDraft = this.report.value.may.write;
      const base = hasDraft ? await this.draft.flush() : seen ?? this.report.value.base;
      await post(this.path(path), { base, ...(hasDraft ? this.draft.fields.value : {}), ...body });
      if (hasDraft) this.draft.drop();
      this.message.value = { kind: "good", word: done };
    } catch (error) {
      this.message.value = { kind: "bad", error };
    }
    await this.reload();
    return this.message.value.kind === "good";
  }

  async reload() {
    const message = this.message.value;
    await this.load();
    this.message.value = message;
  }

  // Also before a word is written; the archive closes the list anew, and an event tells it.
  async gone(images, reason) {
    this.message.value = null;
    try {
      await post(this.path("gone"), { images, reason });
      this.message.value = { kind: "good", word: "rd_done_gone" };
    } catch (error) {
      this.message.value = { kind: "bad", error };
    }
    await this.refresh();
  }

  async write() {
    await this.tellShown(); // what came late has to be seen first
    return this.act("write", {}, "rd_done_written");
  }

  // What the reviewer changed travels with the acceptance; then the accepted text is signed. lacks: so many images have not
  // come, and they know.
  async reviewAndSign(lacks) {
    await this.tellShown();
    this.message.value = null;
    try {
      if (this.report.value.state !== "reviewed") {
        const answer = await post(this.path("review"), { base: this.report.value.base, accept: true, ...this.draft.fields.value });
        this.draft.drop();
        this.report.value = answer.may ? answer : await get(this.path("report"));
      }
      await post(this.path("sign"), { base: this.report.value.base, lacks });
      this.message.value = { kind: "good", word: "rd_done_signed" };
    } catch (error) {
      this.message.value = { kind: "bad", error };
    }
    this.draft.base = null;
    await this.reload();
  }

  async preliminary(lacks) {
    await this.tellShown();
    return this.act("preliminary", { lacks }, "rd_done_preliminary");
  }

  giveBack(reason) {
    return this.act("review", { accept: false, reason }, "rd_done_returned");
  }

  amend(reason, seen) {
    return this.act("amend", { reason }, "rd_done_amend", seen);
  }

  withdraw(reason, seen) {
    return this.act("withdraw", { reason }, "rd_done_withdrawn", seen);
  }

  // Only of late images that were on the screen whole.
  async stands(reason, seen) {
    await this.tellShown();
    return this.act("stands", { reason }, "rd_done_stands", seen);
  }

  // words, seen: as the page showed them and their doubts_revision; more may have been told meanwhile, then nothing is confirmed.
  confirmDoubts(words, seen, reason) {
    return this.act("doubts", { doubts: words.join(" "), seen, reason }, "rd_doubts_done");
  }

  // ---- which proved pixels were shown ----

  // A first look that was opened: the proved image has to follow before anything is signed.
  noteOpened(sop) {
    this.opened.add(sop);
    this.shownTimer ??= setTimeout(() => this.tellShown().catch(() => null), SHOWN_MS);
  }

  noteShown(sop) {
    this.toTell.add(sop);
    this.shownTimer ??= setTimeout(() => this.tellShown().catch(() => null), SHOWN_MS);
  }

  async tellShown() {
    clearTimeout(this.shownTimer);
    this.shownTimer = null;
    const instances = [...this.toTell];
    const opened = [...this.opened];
    if (instances.length + opened.length === 0) return;
    this.toTell.clear();
    this.opened.clear();
    try {
      await post(this.path("shown"), { opened, instances });
    } catch (error) {
      if (error.status === 403) return; // who only looks need not tell
      for (const sop of instances) this.toTell.add(sop);
      for (const sop of opened) this.opened.add(sop);
      if (error.status === 0 || error.status >= 500) this.shownTimer = setTimeout(() => this.tellShown(), 5000);
    }
  }

  stop() {
    clearTimeout(this.leaseTimer);
    this.tellShown();
    if (this.draft.isDirty) this.draft.flush().catch(() => null);
    this.draft.stop();
  }
}
