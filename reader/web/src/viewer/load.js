// load.js - a study on its way: what is whole, what only has a first look, and how much is expected. Asks often while
// something is missing, seldom after; the metadata come in one request each time more has become whole.
import { signal } from "@preact/signals";
import { stacksOf } from "./study.js";

const BUSY_MS = 1000;
const QUIET_MS = 4000;

async function ask(path, accept) {
  const answer = await fetch(path, { headers: { Accept: accept }, credentials: "same-origin" });
  if (answer.status === 503) return null;
  if (!answer.ok) throw Object.assign(new Error(`${answer.status}`), { status: answer.status });
  return answer.json();
}

export class Study {
  constructor(uid) {
    this.uid = uid;
    this.stacks = signal([]);
    this.standing = signal(null); // {offered, looked, whole, expected, words}
    this.error = signal(0); // status of the last request that failed, 0 = none
    this.metadata = [];
    this.isOver = false;
  }

  start() {
    this.poll();
    return this;
  }

  stop() {
    this.isOver = true;
    clearTimeout(this.timer);
  }

  // Something happened (an event from the server): look now.
  hurry() {
    clearTimeout(this.timer);
    if (!this.isAsking) this.poll();
  }

  async poll() {
    this.isAsking = true;
    const began = performance.now();
    try {
      await this.look();
      this.error.value = 0;
    } catch (error) {
      this.error.value = error.status ?? -1;
    }
    this.isAsking = false;
    const took = performance.now() - began;
    if (!this.isOver) this.timer = setTimeout(() => this.poll(), this.isWhole ? QUIET_MS : Math.max(BUSY_MS, 2 * took));
  }

  get isWhole() {
    const s = this.standing.value;
    return Boolean(s) && s.expected !== null && s.whole >= s.expected && s.whole >= s.offered;
  }

  async look() {
    const isFirst = this.standing.value === null;
    const [preview, early] = await Promise.all([
      ask(`/preview/studies/${this.uid}`, "application/json"),
      isFirst ? this.askMetadata() : null,
    ]);
    if (!preview || this.isOver) return;
    const metadata = early ?? (preview.whole !== (this.wholeSeen ?? 0) ? await this.askMetadata() : null);
    if (metadata) {
      this.metadata = metadata;
      this.wholeSeen = early ? early.length : preview.whole;
    }
    const mark = JSON.stringify([preview.whole, preview.instances]);
    if (metadata || mark !== this.mark) this.stacks.value = stacksOf(this.uid, this.metadata, preview.instances);
    this.mark = mark;
    const { instances, ...standing } = preview;
    this.standing.value = { ...standing, onTheWay: instances.length };
  }

  askMetadata() {
    return ask(`/dicomweb/studies/${this.uid}/metadata`, "application/dicom+json");
  }
}
