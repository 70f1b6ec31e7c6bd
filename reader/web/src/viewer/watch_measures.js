// watch_measures.js - the measures drawn so far: told when they change, removed, put into words.
import { eventTarget } from "@cornerstonejs/core";
import { imageIdOf, measureOf, tools } from "./engine.js";
import { sentenceOf } from "./measures.js";

const { ANNOTATION_COMPLETED, ANNOTATION_MODIFIED, ANNOTATION_REMOVED, ANNOTATION_ADDED } = tools.Enums.Events;
let told = null;

// One watcher at a time: the light box that is open.
export function watchMeasures(call) {
  if (!told)
    for (const event of [ANNOTATION_COMPLETED, ANNOTATION_MODIFIED, ANNOTATION_REMOVED, ANNOTATION_ADDED])
      eventTarget.addEventListener(event, () => told());
  told = call;
}

export function remove(uid, panes) {
  if (!uid) return;
  tools.annotation.state.removeAnnotation(uid);
  for (const pane of panes) pane.viewport.render();
}

function placeOf(measure, panes) {
  for (const pane of panes) {
    const at = pane.stack?.items.findIndex((item) => item.isProved && imageIdOf(item) === measure.metadata.referencedImageId) ?? -1;
    if (at >= 0) return { series: pane.stack.number ?? "?", image: pane.stack.items[at].number ?? at + 1, isPrior: pane.id === "prior" };
  }
  return { series: "?", image: "?", isPrior: false };
}

export function describe(measure, panes) {
  const kind = measureOf(measure.metadata.toolName);
  return kind ? sentenceOf(kind, measure.data, placeOf(measure, panes)) : "";
}
