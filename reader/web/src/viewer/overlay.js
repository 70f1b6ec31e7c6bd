// overlay.js - what is written over a pane: whose image, which, how it is windowed, and whether it may be trusted.
import { html } from "htm/preact";
import { presetsOf } from "./presets.js";
import { personName, text } from "./tags.js";
import { say } from "./viewer_words.js";
import { ageText } from "../shared/times.js";

function Cross({ pane }) {
  const cursor = pane.cursor.value;
  if (!cursor) return null;
  return html`<svg class="cross" aria-hidden="true">
    <path d="M${cursor.x - 14} ${cursor.y}h28M${cursor.x} ${cursor.y - 14}v28" />
    ${cursor.points.map(([x, y]) => html`<circle cx=${x} cy=${y} r="4" />`)}
  </svg>`;
}

// A first look: a plain picture over everything. Its words are burnt in at the top, where zooming may move them out of
// sight; these stay.
function Look({ facts, standing }) {
  const look = facts.look;
  if (!look) return null;
  const style = { transform: `translate(${look.x}px, ${look.y}px) scale(${look.zoom})` };
  return html`<div class="look">
    ${look.url ? html`<img src=${look.url} alt="" style=${style} draggable=${false} />` : html`<p class="still">${say("no_look_yet")}</p>`}
    <p class="across" role="status">${standing ? say("preview_lead", standing) : say("preview_words")}</p>
  </div>`;
}

function Who({ meta }) {
  const sex = { M: "♂", F: "♀" }[text(meta, "00100040")] ?? "";
  return html`<span>${personName(meta, "00100010")} ${sex} ${ageText(text(meta, "00101010"))}</span>`;
}

export function Overlay({ pane, standing, isPrior }) {
  const f = pane.facts.value;
  if (!f.item) return html`<p class="still" role="status">${say("loading")}</p>`;
  const meta = f.item.meta ?? f.stack.meta;
  return html`<${Look} facts=${f} standing=${standing} />
    <div class="corner at-top at-left">
      <b>${isPrior ? say("prior_study") : say("this_study")}</b> ${meta && html`<${Who} meta=${meta} />`}
      ${meta && html`<span>${text(meta, "00080020").replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3")} ${text(meta, "00081030")}</span>`}
      <span>${f.stack.number ?? ""} ${f.stack.description}</span>
    </div>
    <div class="corner at-top at-right">
      ${f.isProved && f.isDrawn && !f.isFull && html`<span class="mark amber">${say("image_loading")}</span>`}
      ${f.isProved && !f.isDrawn && !f.error && html`<span class="mark amber">${say("image_loading")}</span>`}
      ${f.error && html`<span class="mark red">${say(f.error)}</span>`}
    </div>
    <div class="corner at-bottom at-left">
      ${f.window && html`<span class="window">${say("window_text", f.window)}${f.preset && f.preset !== "window_own" ? ` · ${say(f.preset)}` : ""}</span>`}
      <span>${say("zoom_of", f.zoom)}${f.rotation ? ` · ${f.rotation}°` : ""}${f.isFlipped ? ` · ${say("flip")}` : ""}${f.isInverted ? ` · ${say("inverted")}` : ""}</span>
    </div>
    <div class="corner at-bottom at-right"><span class="place">${f.index + 1}/${f.count}</span></div>
    <${Cross} pane=${pane} />`;
}

export function Presets({ box }) {
  const pane = box.here.value[box.active.value];
  const f = pane?.facts.value;
  if (!f?.stack || f.stack.kind !== "images") return null;
  return html`<span class="group" role="group" aria-label=${say("windows")}>
    ${presetsOf(f.stack.modality).slice(0, 6).map((preset, i) => html`<button type="button" disabled=${!f.isDrawn}
      aria-pressed=${f.preset === preset.word} onClick=${() => box.preset(i)}>${say(preset.word)} <kbd>${i}</kbd></button>`)}
  </span>`;
}
