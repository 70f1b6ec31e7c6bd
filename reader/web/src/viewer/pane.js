// pane.js - one pane of the light box: a stack, the picture shown, its window and its place.
// Invariants: 1. what is not proved is never drawn by cornerstone: a first look is a plain picture laid over the pane, so
// no tool can measure it; 2. `onShown` names an instance only after its proved, full-quality pixels were rendered;
// 3. `facts` tells what is on the screen, not what was asked for.
import { signal } from "@preact/signals";
import { cache, choose, CoreEnums, draw, ENGINE, GROUP, imageIdOf, imageLoader, start, tools } from "./engine.js";
import { centerOf, rangeOf, windowOf } from "./presets.js";
import { number } from "./tags.js";

const { Events, ImageQualityStatus, ViewportType } = CoreEnums;
const PREFETCH_AT_ONCE = 3;
const PREFETCH_SHARE = 0.7; // of the cache; the rest is for what is looked at
const NOTHING = { stack: null, index: 0, count: 0, item: null, isDrawn: false, isProved: false, isFull: false, window: null,
  preset: null, zoom: 1, isInverted: false, rotation: 0, isFlipped: false, error: "", look: null };

// Starts the library before there is anything to show.
export const warmUp = () => void start();

export class Pane {
  // element: an empty box that has its size. onShown(sop), onMove(index): see above and for linked scrolling.
  constructor(id, element, { onShown = () => {}, onMove = () => {} } = {}) {
    Object.assign(this, { id, element, onShown, onMove });
    this.facts = signal(NOTHING);
    this.cursor = signal(null); // {x, y, points} of a measure made by keyboard, in CSS pixels of the pane
    this.look = { zoom: 1, x: 0, y: 0 };
    const { engine, group } = start();
    engine.enableElement({ viewportId: id, element, type: ViewportType.STACK, defaultOptions: { background: [0, 0, 0] } });
    this.viewport = engine.getViewport(id);
    group.addViewport(id, ENGINE);
    this.onRendered = () => this.tell();
    element.addEventListener(Events.IMAGE_RENDERED, this.onRendered);
    element.addEventListener(Events.VOI_MODIFIED, this.onRendered);
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(element);
  }

  close() {
    this.isClosed = true;
    this.prefetching = null;
    this.resizing.disconnect();
    const { engine, group } = start();
    group.removeViewports(ENGINE, this.id);
    engine.disableElement(this.id);
  }

  resize() {
    if (!this.element.clientWidth || !this.viewport) return;
    const seen = this.isDrawn ? this.viewport.getViewPresentation() : null;
    start().engine.resize(true, false);
    if (seen) this.viewport.setViewPresentation(seen);
    this.viewport.render();
  }

  // ---- what is shown ----

  // Another stack (from its start or `index`), or the same one with more of it here: then the picture stays.
  async show(stack, index = 0) {
    const isSame = this.stack?.id === stack.id;
    const key = isSame ? this.item?.key : null;
    this.stack = stack;
    if (!isSame) {
      this.userWindow = null;
      this.preset = null;
      this.placed = null;
    }
    const kept = key ? stack.items.findIndex((item) => item.key === key) : -1;
    await this.go(kept >= 0 ? kept : index);
    this.prefetch();
  }

  get proved() {
    return this.stack.items.filter((item) => item.isProved);
  }

  async go(index) {
    const wanted = Math.min(Math.max(0, index), this.stack.items.length - 1);
    const item = this.stack.items[wanted];
    if (!item) return;
    const hasMoved = this.index !== wanted;
    this.index = wanted;
    this.item = item;
    this.error = "";
    this.tell();
    if (item.isProved) await this.draw(item);
    if (hasMoved) this.onMove(wanted);
  }

  step(by, isRound = false) {
    const n = this.stack?.items.length ?? 0;
    if (n === 0) return Promise.resolve();
    return this.go(isRound ? (this.index + by + n) % n : this.index + by);
  }

  // One picture at a time, the last one asked for next: what was asked in between and is no longer wanted is passed over.
  draw(item) {
    this.drawing = (this.drawing ?? Promise.resolve()).then(() => (this.item?.key === item.key ? this.drawNow(item) : null));
    return this.drawing;
  }

  async drawNow(item) {
    const ids = this.proved.map(imageIdOf);
    const id = imageIdOf(item);
    try {
      await this.place(ids, ids.indexOf(id));
      if (this.item?.key !== item.key || this.isClosed) return;
      if (!cache.isLoaded(id)) throw new Error("not loaded");
      this.isDrawn = true;
      this.applyWindow();
      this.viewport.render();
    } catch {
      this.shownIds = null; // the next try begins anew
      if (this.item?.key === item.key) this.fail();
    }
  }

  // The viewport at the picture `at` of `ids`; place and zoom stay when only more of the same stack is here.
  async place(ids, at) {
    const name = ids.join();
    if (this.shownIds === name) {
      await this.viewport.setImageIdIndex(at);
      return;
    }
    const seen = this.placed ? this.viewport.getViewPresentation() : null;
    this.shownIds = name;
    await this.viewport.setStack(ids, at);
    if (seen) this.viewport.setViewPresentation(seen);
    else this.viewport.resetCamera();
    this.placed = true;
  }

  fail() {
    this.error = "image_failed";
    this.tell();
  }

  // ---- window ----

  ownWindow() {
    const meta = this.item?.meta;
    const own = { center: number(meta, "00281050"), width: number(meta, "00281051") };
    if (own.center !== undefined && own.width >= 1) return own;
    const image = this.viewport.getCornerstoneImage?.();
    const slope = image?.isPreScaled ? 1 : image?.slope ?? 1;
    const intercept = image?.isPreScaled ? 0 : image?.intercept ?? 0;
    const lower = (image?.minPixelValue ?? 0) * slope + intercept;
    const upper = (image?.maxPixelValue ?? 255) * slope + intercept;
    return centerOf({ lower, upper: Math.max(upper, lower + 1) });
  }

  get isColour() {
    return number(this.item?.meta, "00280002") === 3;
  }

  choosePreset(preset) {
    this.preset = preset.width || preset.by || preset.up ? preset : null;
    this.userWindow = null;
    this.applyWindow(true);
    this.viewport.render();
  }

  setWindow(window) {
    this.preset = null;
    this.userWindow = { center: window.center, width: Math.max(1, window.width) };
    this.applyWindow(true);
    this.viewport.render();
  }

  changeWindow(byCenter, byWidth) {
    const now = this.facts.value.window;
    if (!now || !this.isDrawn) return;
    const unit = Math.max(1, now.width / 20);
    this.setWindow({ center: now.center + byCenter * unit, width: now.width + byWidth * unit });
  }

  // A window that a mouse has set stays; a preset holds for every image; else each image has its own.
  applyWindow(isAsked = false) {
    if (!this.isDrawn || this.isColour) return;
    const window = this.userWindow ?? (this.preset ? windowOf(this.preset, this.ownWindow()) : null);
    if (window) this.viewport.setProperties({ voiRange: rangeOf(window) });
    else if (isAsked || !this.viewport.voiUpdatedWithSetProperties) this.viewport.setProperties({ voiRange: rangeOf(this.ownWindow()) });
  }

  // ---- place ----

  zoomBy(factor) {
    if (this.item?.isProved) {
      this.viewport.setZoom(this.viewport.getZoom() * factor);
      this.viewport.render();
    } else this.moveLook({ zoom: this.look.zoom * factor });
  }

  panBy(x, y) {
    if (this.item?.isProved) {
      const [atX, atY] = this.viewport.getPan();
      this.viewport.setPan([atX + x, atY + y]);
      this.viewport.render();
    } else this.moveLook({ x: this.look.x + x, y: this.look.y + y });
  }

  moveLook(change) {
    this.look = { ...this.look, ...change };
    this.look.zoom = Math.min(16, Math.max(0.25, this.look.zoom));
    this.tell();
  }

  // One pixel of the image on one pixel of the screen.
  natural() {
    const m = this.matrix();
    if (!m) return;
    const scale = Math.hypot(m[0], m[1]) * devicePixelRatio;
    this.viewport.setZoom(this.viewport.getZoom() / scale);
    this.viewport.render();
  }

  fit() {
    this.look = { zoom: 1, x: 0, y: 0 };
    if (this.isDrawn) {
      this.viewport.setZoom(1);
      this.viewport.setPan([0, 0]);
      this.viewport.render();
    }
    this.tell();
  }

  turn(degrees) {
    const { rotation = 0 } = this.viewport.getViewPresentation();
    this.viewport.setViewPresentation({ ...this.viewport.getViewPresentation(), rotation: (rotation + degrees + 360) % 360 });
    this.viewport.render();
  }

  flip(isVertical) {
    const seen = this.viewport.getViewPresentation();
    const change = isVertical ? { flipVertical: !seen.flipVertical } : { flipHorizontal: !seen.flipHorizontal };
    this.viewport.setViewPresentation({ ...seen, ...change });
    this.viewport.render();
  }

  invert() {
    if (!this.isDrawn) return;
    this.viewport.setProperties({ invert: !this.viewport.getProperties().invert });
    this.viewport.render();
  }

  reset() {
    if (!this.isDrawn) return this.fit();
    this.preset = null;
    this.userWindow = null;
    this.viewport.resetProperties();
    this.viewport.resetCamera({ resetPan: true, resetZoom: true, resetToCenter: true, resetRotation: true });
    this.look = { zoom: 1, x: 0, y: 0 };
    this.applyWindow(true);
    this.viewport.render();
  }

  // ---- measuring ----

  get mayMeasure() {
    const facts = this.facts.value;
    return facts.isProved && facts.isFull;
  }

  // The keyboard's way: a cross moves over the image, Enter takes a point.
  startCursor(tool) {
    if (!this.mayMeasure) return;
    this.cursor.value = { tool, x: this.element.clientWidth / 2, y: this.element.clientHeight / 2, points: [] };
  }

  moveCursor(x, y) {
    const c = this.cursor.value;
    const within = (value, most) => Math.min(Math.max(0, value), most);
    this.cursor.value = { ...c, x: within(c.x + x, this.element.clientWidth), y: within(c.y + y, this.element.clientHeight) };
  }

  // Takes the point under the cross; with the last one the measure is drawn. Returns whether it is.
  takePoint() {
    const c = this.cursor.value;
    const points = [...c.points, [c.x, c.y]];
    const needed = { probe: 1, angle: 3 }[c.tool] ?? 2;
    this.cursor.value = { ...c, points };
    if (points.length < needed) return false;
    draw(c.tool, this.id, this.cornersOf(c.tool, points).map((point) => this.viewport.canvasToWorld(point)));
    this.cursor.value = { ...c, points: [] };
    return true;
  }

  // Ellipse and rectangle are named by four points: cornerstone's order, from two corners.
  cornersOf(tool, points) {
    if (tool !== "ellipse" && tool !== "rectangle") return points;
    const [[ax, ay], [bx, by]] = points;
    const [left, right, top, bottom] = [Math.min(ax, bx), Math.max(ax, bx), Math.min(ay, by), Math.max(ay, by)];
    if (tool === "rectangle") return [[left, top], [right, top], [left, bottom], [right, bottom]];
    const [midX, midY] = [(left + right) / 2, (top + bottom) / 2];
    return [[midX, bottom], [midX, top], [left, midY], [right, midY]];
  }

  chooseTool(name) {
    this.cursor.value = null;
    choose(name);
  }

  annotations() {
    return tools.annotation.state.getAllAnnotations().filter((a) => a.metadata.referencedImageId &&
      this.stack?.items.some((item) => item.isProved && imageIdOf(item) === a.metadata.referencedImageId));
  }

  // ---- telling ----

  // Image pixel (x, y) at (m0 x + m2 y + m4, m1 x + m3 y + m5) in CSS pixels of the pane; null before the first picture.
  matrix() {
    const data = this.isDrawn && this.viewport.getImageData()?.imageData;
    if (!data) return null;
    const at = (i, j) => this.viewport.worldToCanvas(data.indexToWorld([i, j, 0]));
    const [o, x, y] = [at(0, 0), at(1, 0), at(0, 1)];
    return [x[0] - o[0], x[1] - o[1], y[0] - o[0], y[1] - o[1], o[0], o[1]];
  }

  tell() {
    const { item, stack } = this;
    if (!item) return;
    const image = item.isProved && this.isDrawn ? this.viewport.getCornerstoneImage?.() : null;
    const isDrawn = Boolean(image) && image.imageId === imageIdOf(item);
    const isFull = isDrawn && (image.imageQualityStatus ?? ImageQualityStatus.FULL_RESOLUTION) >= ImageQualityStatus.FULL_RESOLUTION;
    const seen = isDrawn ? this.viewport.getViewPresentation() : {};
    const range = isDrawn && !this.isColour ? this.viewport.getProperties().voiRange : null;
    const window = range ? centerOf(range) : null;
    this.noteMouseWindow(window);
    this.facts.value = {
      stack, index: this.index, count: stack.items.length, item, isDrawn, isProved: item.isProved, isFull, window,
      preset: this.preset?.word ?? (this.userWindow ? null : "window_own"), zoom: isDrawn ? seen.zoom ?? 1 : this.look.zoom, rotation: seen.rotation ?? 0,
      isInverted: isDrawn && Boolean(this.viewport.getProperties().invert), isFlipped: Boolean(seen.flipHorizontal || seen.flipVertical),
      error: this.error, look: item.isProved ? null : { ...this.look, url: item.hasLook ? item.url : null },
    };
    this.label(item, isFull);
    if (isFull) this.onShown(item.sop);
  }

  // A window changed by the mouse is the user's from then on.
  noteMouseWindow(window) {
    if (!window || !this.viewport.voiUpdatedWithSetProperties) return;
    const expected = this.userWindow ?? windowOf(this.preset ?? {}, this.ownWindow());
    const isOurs = Math.abs(expected.center - window.center) < 0.01 && Math.abs(expected.width - window.width) < 0.01;
    if (isOurs) return;
    this.userWindow = window;
    this.preset = null;
  }

  // What is on the screen, for a test to compare with the expected picture.
  label(item, isFull) {
    const data = this.element.dataset;
    data.sop = item.sop;
    data.frame = item.frame;
    data.quality = isFull ? "full" : item.isProved ? "loading" : "preview";
    data.matrix = (this.matrix() ?? []).map((value) => value.toFixed(4)).join(" ");
  }

  // ---- ahead of need ----

  async prefetch() {
    const token = {};
    this.prefetching = token;
    const items = this.proved;
    const here = Math.max(0, items.indexOf(this.item));
    const order = items.map((item, i) => [Math.abs(i - here), item]).sort((a, b) => a[0] - b[0]).map(([, item]) => item);
    const work = async () => {
      for (let item = order.shift(); item; item = order.shift()) {
        if (this.prefetching !== token || cache.getCacheSize() > PREFETCH_SHARE * cache.getMaxCacheSize()) return;
        await imageLoader.loadAndCacheImage(imageIdOf(item), { requestType: "prefetch", priority: 10 }).catch(() => null);
      }
    };
    await Promise.all(Array.from({ length: PREFETCH_AT_ONCE }, work));
  }
}
