// lightbox.js - what the hand on the keyboard or mouse does to the panes: which is active, the tool, linked scrolling,
// cine, measures. Knows nothing of the page around it; the page sets onReport, onHelp, onInsert, onShown.
import { signal } from "@preact/signals";
import { Cine } from "./cine.js";
import { presetsOf } from "./presets.js";
import { counterpart, firstGuess, linkAt, turned } from "./sync.js";

const MEASURING = ["length", "angle", "ellipse", "rectangle", "probe"];
const PAN_STEP = 40;
const CURSOR_STEP = 2;
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export class LightBox {
  constructor() {
    this.panes = []; // 0 = this study, 1 = the prior one
    this.here = signal([]); // the same, for what is drawn from it
    this.active = signal(0);
    this.tool = signal("window");
    this.link = signal(null); // of pane 0 to pane 1
    this.cine = signal({ isPlaying: false, rate: 10 });
    this.message = signal("");
    this.measures = signal([]);
    this.stackLists = [signal([]), signal([])];
    this.wanted = [signal(null), signal(null)]; // id of the stack a pane has or shall have
    this.lookedAt = signal(new Set()); // instances seen as first look only
    this.shown = signal(new Set());
    for (const call of ["onReport", "onHelp", "onInsert", "onShown", "onOpened", "onCompare"]) this[call] = () => {};
    this.player = new Cine({ step: () => this.pane.step(1, true) });
  }

  get pane() {
    return this.panes[this.active.value] ?? null;
  }

  // ---- panes and stacks ----

  async attach(which, element) {
    const { Pane } = await import("./pane.js");
    if (!element.isConnected) return;
    const pane = new Pane(which === 0 ? "now" : "prior", element, {
      onShown: (sop) => which === 0 && this.noteShown(sop), onMove: (index) => this.follow(which, index),
    });
    this.panes[which] = pane;
    this.hasPanes = true;
    this.here.value = [...this.panes];
    pane.chooseTool(this.tool.value);
    this.noteMeasures();
    await this.refresh(which);
  }

  detach(which) {
    this.player.stop();
    this.tellCine();
    this.panes[which]?.close();
    this.panes[which] = undefined;
    this.here.value = [...this.panes];
    if (which === 1) {
      this.link.value = null;
      this.active.value = 0;
    }
  }

  async noteMeasures() {
    const { watchMeasures } = await import("./watch_measures.js");
    watchMeasures(() => (this.measures.value = this.panes.filter(Boolean).flatMap((pane) => pane.annotations())));
  }

  setStacks(which, stacks) {
    this.stackLists[which].value = stacks;
    return this.refresh(which);
  }

  get images() {
    return this.stackLists[this.active.value].value.filter((stack) => stack.kind === "images");
  }

  async refresh(which) {
    const pane = this.panes[which];
    const stacks = this.stackLists[which].value;
    const stack = stacks.find((s) => s.id === this.wanted[which].value) ?? stacks[0];
    if (!stack) return;
    if (!this.wanted[which].value) this.wanted[which].value = stack.id;
    if (!pane || stack.kind !== "images" || pane.stack === stack) return;
    const isNew = pane.stack?.id !== stack.id;
    const start = isNew && which === 1 && this.panes[0]?.stack ? firstGuess(this.panes[0].stack, this.panes[0].index, stack) : undefined;
    await pane.show(stack, start ?? this.firstIndex(stack));
    this.noteLook(which);
    if (isNew) this.relink();
  }

  // A CT or MR is opened in its middle, where something is to be seen; what has no picture yet, where there is one.
  firstIndex(stack) {
    const n = stack.items.filter((item) => item.isProved).length || stack.items.length;
    const index = n > 8 ? Math.floor(n / 2) : 0;
    const shown = stack.items[index]?.hasLook ? index : stack.items.findIndex((item) => item.hasLook);
    return shown >= 0 ? shown : index;
  }

  chooseStack(which, id) {
    this.stopCine();
    this.wanted[which].value = id;
    this.active.value = this.panes[which] ? which : 0;
    return this.refresh(which);
  }

  nextStack(by) {
    const which = this.active.value;
    const list = this.stackLists[which].value;
    const at = list.findIndex((stack) => stack.id === this.wanted[which].value);
    const next = list[at + by];
    return next && this.chooseStack(which, next.id);
  }

  // ---- scrolling ----

  step(by) {
    return this.pane?.step(by);
  }

  goTo(index) {
    return this.pane?.stack && this.pane.go(index);
  }

  follow(which, index) {
    this.message.value = "";
    this.noteLook(which);
    const other = this.panes[1 - which];
    if (!this.link.value || !other?.stack || this.isFollowing) return;
    this.isFollowing = true;
    const link = which === 0 ? this.link.value : turned(this.link.value);
    const to = counterpart(link, this.panes[which].stack, index, other.stack);
    other.go(to).finally(() => (this.isFollowing = false));
    this.isFollowing = false;
  }

  relink() {
    const [now, prior] = this.panes;
    this.link.value = now?.stack && prior?.stack ? linkAt(now.stack, now.index, prior.stack, prior.index) : null;
  }

  toggleLink() {
    if (this.link.value) this.link.value = null;
    else this.relink();
  }

  toggleCompare() {
    this.onCompare();
  }

  otherPane() {
    if (this.panes[1 - this.active.value]) this.active.value = 1 - this.active.value;
  }

  // ---- cine ----

  toggleCine() {
    if (this.player.isPlaying) this.stopCine();
    else if (this.pane?.stack?.items.length > 1) this.player.play(this.rate ?? this.pane.stack.rate);
    this.tellCine();
  }

  stopCine() {
    this.player.stop();
    this.tellCine();
  }

  changeRate(factor) {
    this.rate = Math.min(60, Math.max(1, (this.rate ?? this.pane?.stack?.rate ?? 10) * factor));
    this.player.setRate(this.rate);
    this.tellCine();
  }

  tellCine() {
    this.cine.value = { isPlaying: this.player.isPlaying, rate: this.player.isPlaying ? this.player.rate : this.rate ?? this.pane?.stack?.rate ?? 10 };
  }

  // ---- window, place ----

  get presets() {
    return presetsOf(this.pane?.stack?.modality);
  }

  preset(number) {
    const preset = this.presets[number];
    if (preset && this.pane?.isDrawn) this.pane.choosePreset(preset);
  }

  changeWindow(byCenter, byWidth) {
    this.pane?.changeWindow(byCenter, byWidth);
  }

  pan(key) {
    const [x, y] = ARROWS[key.split("+").pop()];
    this.pane?.panBy(x * PAN_STEP, y * PAN_STEP);
  }

  // ---- tools and measures ----

  chooseTool(name) {
    if (MEASURING.includes(name) && !this.pane?.mayMeasure) {
      this.tellWhyNot();
      return;
    }
    this.message.value = "";
    this.tool.value = name;
    for (const pane of this.panes) pane?.chooseTool(name);
  }

  tellWhyNot() {
    this.message.value = this.pane?.facts.value.item?.isProved === false ? "no_measure_on_preview" : "no_measure_yet";
  }

  // Enter: begin the cross of the chosen measure, or take the point under it.
  point() {
    if (!MEASURING.includes(this.tool.value)) return;
    if (!this.pane?.mayMeasure) this.tellWhyNot();
    else if (this.pane.cursor.value) this.pane.takePoint();
    else this.pane.startCursor(this.tool.value);
  }

  // While the cross is there the arrows are its own. Returns whether the key was used.
  cursorKey(event) {
    const cursor = this.pane?.cursor.value;
    if (!cursor) return false;
    if (event.key === "Escape") this.pane.cursor.value = null;
    else if (event.key === "Enter") this.pane.takePoint();
    else if (ARROWS[event.key]) {
      const step = event.shiftKey ? 10 * CURSOR_STEP : CURSOR_STEP;
      this.pane.moveCursor(ARROWS[event.key][0] * step, ARROWS[event.key][1] * step);
    } else return false;
    return true;
  }

  async removeMeasure(uid) {
    const { remove } = await import("./watch_measures.js");
    remove(uid ?? this.measures.value.at(-1)?.annotationUID, this.panes.filter(Boolean));
  }

  async insertMeasure(uid) {
    const { describe } = await import("./watch_measures.js");
    const measure = uid ? this.measures.value.find((m) => m.annotationUID === uid) : this.measures.value.at(-1);
    const text = measure && describe(measure, this.panes.filter(Boolean));
    if (text) this.onInsert(text);
    else this.message.value = "no_measure";
  }

  // ---- what was seen ----

  noteLook(which) {
    const item = this.panes[which]?.item;
    if (which !== 0 || !item || item.isProved || !item.hasLook || this.lookedAt.value.has(item.sop)) return;
    this.onOpened(item.sop);
    this.lookedAt.value = new Set(this.lookedAt.value).add(item.sop);
  }

  noteShown(sop) {
    if (this.lookedAt.value.has(sop)) this.lookedAt.value = new Set([...this.lookedAt.value].filter((other) => other !== sop));
    if (this.shown.value.has(sop)) return;
    this.shown.value = new Set(this.shown.value).add(sop);
    this.onShown(sop);
  }
}
