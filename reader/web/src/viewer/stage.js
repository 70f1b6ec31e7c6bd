// stage.js - the light box on the page: tool bar, series and priors at the left, one or two panes.
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Overlay, Presets } from "./overlay.js";
import { thumbnailOf } from "./study.js";
import { say } from "./viewer_words.js";

const TOOLS = [["window", "w"], ["zoom", "g"], ["pan", "p"], ["length", "d"], ["angle", "a"], ["ellipse", "o"], ["rectangle", "r"], ["probe", "b"]];
const WHEEL_STEP = 40;

function ToolBar({ box, onHelp }) {
  const cine = box.cine.value;
  return html`<div class="toolbar" role="toolbar" aria-label=${say("tools")}>
    <span class="group" role="group" aria-label=${say("tools")}>${TOOLS.map(([name, key]) => html`<button type="button"
      aria-pressed=${box.tool.value === name} onClick=${() => box.chooseTool(name)}>${say(`tool_${name}`)} <kbd>${key.toUpperCase()}</kbd></button>`)}</span>
    <${Presets} box=${box} />
    <span class="group" role="group" aria-label=${say("views")}>
      <button type="button" onClick=${() => box.pane?.invert()}>${say("invert")} <kbd>I</kbd></button>
      <button type="button" onClick=${() => box.pane?.turn(90)}>${say("turn")} <kbd>T</kbd></button>
      <button type="button" onClick=${() => box.pane?.flip(false)}>${say("flip")} <kbd>H</kbd></button>
      <button type="button" onClick=${() => box.pane?.natural()}>${say("natural")} <kbd>N</kbd></button>
      <button type="button" onClick=${() => box.pane?.reset()}>${say("view_reset")} <kbd>X</kbd></button>
    </span>
    <span class="group" role="group" aria-label=${say("play")}>
      <button type="button" aria-pressed=${cine.isPlaying} onClick=${() => box.toggleCine()}>${cine.isPlaying ? say("pause") : say("play")} <kbd>Space</kbd></button>
      <button type="button" aria-label=${say("slower")} onClick=${() => box.changeRate(1 / 1.25)}>−</button>
      <span class="rate">${say("rate_of", cine.rate)}</span>
      <button type="button" aria-label=${say("faster")} onClick=${() => box.changeRate(1.25)}>+</button>
    </span>
    <button type="button" class="help" onClick=${onHelp}>${say("key_list")} <kbd>?</kbd></button>
  </div>`;
}

function Thumbnail({ study, stack, isChosen, onClick }) {
  const url = thumbnailOf(study, stack);
  const coming = stack.items.filter((item) => !item.isProved).length;
  const name = stack.description || (stack.kind === "images" ? stack.modality : say(stack.kind === "ecg" ? "ecg" : `document_${stack.kind}`));
  return html`<li><button type="button" class="thumb" aria-pressed=${isChosen} onClick=${onClick}>
    ${url ? html`<img src=${url} alt="" loading="lazy" />` : html`<span class="sort" aria-hidden="true">${stack.kind === "images" ? "…" : stack.modality || stack.kind}</span>`}
    <span class="name">${stack.number ?? ""} ${name}</span>
    <span class="count">${stack.kind === "images" ? say("images_n", stack.items.length) : ""} ${coming > 0 ? html`<span class="mark amber">${stack.items.length - coming}/${stack.items.length}</span>` : ""}</span>
  </button></li>`;
}

export function SeriesList({ box, which, study, title }) {
  return html`<section aria-label=${title}>
    <h2>${title}</h2>
    <ul class="thumbs">${box.stackLists[which].value.map((stack) => html`<${Thumbnail} key=${stack.id} study=${study} stack=${stack}
      isChosen=${box.wanted[which].value === stack.id} onClick=${() => box.chooseStack(which, stack.id)} />`)}</ul>
  </section>`;
}

// Wheel scrolls, with Control it zooms; a first look can be dragged with the mouse as an image can.
function useMouse(ref, box, which) {
  useEffect(() => {
    const element = ref.current;
    let rest = 0;
    const wheel = (event) => {
      event.preventDefault();
      box.active.value = which;
      if (event.ctrlKey) return box.panes[which]?.zoomBy(event.deltaY < 0 ? 1.1 : 1 / 1.1);
      rest += event.deltaY;
      const steps = Math.trunc(rest / WHEEL_STEP);
      rest -= steps * WHEEL_STEP;
      if (steps) box.panes[which]?.step(Math.sign(steps) * Math.min(3, Math.abs(steps)));
    };
    const press = () => (box.active.value = which);
    const drag = (event) => event.buttons && !box.panes[which]?.item?.isProved && box.panes[which]?.panBy(event.movementX, event.movementY);
    element.addEventListener("wheel", wheel, { passive: false });
    element.addEventListener("pointerdown", press, true);
    element.addEventListener("pointermove", drag);
    return () => {
      element.removeEventListener("wheel", wheel);
      element.removeEventListener("pointerdown", press, true);
      element.removeEventListener("pointermove", drag);
    };
  }, []);
}

export function PaneView({ box, which, standing }) {
  const around = useRef(null);
  const canvas = useRef(null);
  const [pane, setPane] = useState(null);
  const [hasFailed, setFailed] = useState(false);
  useEffect(() => {
    let isOver = false;
    box.attach(which, canvas.current).then(() => isOver || setPane(box.panes[which]), () => isOver || setFailed(true));
    return () => {
      isOver = true;
      box.detach(which);
    };
  }, []);
  useMouse(around, box, which);
  const isActive = box.active.value === which;
  const name = say(which === 0 ? "pane_now" : "pane_prior");
  const f = pane?.facts.value;
  return html`<div ref=${around} class="pane ${isActive ? "active" : ""}" tabindex="0" role="group" data-pane=${which} onFocus=${() => (box.active.value = which)}
      aria-label=${f?.item ? `${name}, ${say("images_of", f)}` : name} onContextMenu=${(event) => event.preventDefault()}>
    <div ref=${canvas} class="canvas"></div>
    ${hasFailed && html`<p class="still" role="alert">${say("reload")}</p>`}
    ${pane && html`<${Overlay} pane=${pane} standing=${standing} isPrior=${which === 1} />`}
  </div>`;
}

export function Measures({ box, describe }) {
  const list = box.measures.value;
  return html`<details class="measures" open=${list.length > 0}>
    <summary>${say("measures")} ${list.length > 0 ? `(${list.length})` : ""}</summary>
    ${list.length === 0 && html`<p class="quiet">${say("no_measures")}</p>`}
    <ul>${list.map((m, i) => {
      const text = describe(m);
      return html`<li key=${m.annotationUID}><span>${text}</span>
        <button type="button" aria-label=${say("insert_measure", i + 1)} onClick=${() => box.insertMeasure(m.annotationUID)}>${say("insert")}</button>
        <button type="button" aria-label=${say("remove_measure", i + 1)} onClick=${() => box.removeMeasure(m.annotationUID)}>${say("remove")}</button></li>`;
    })}</ul>
  </details>`;
}

export { ToolBar };
