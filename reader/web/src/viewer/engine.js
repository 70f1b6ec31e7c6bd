// engine.js - cornerstone3D, started once: the rendering engine, the tools of the reading page, the decoders' workers. This
// module and pane.js are the only ones that know the library; both are loaded when images are first shown.
import { cache, Enums, imageLoader, init as coreInit, RenderingEngine, utilities } from "@cornerstonejs/core";
import * as tools from "@cornerstonejs/tools";
import dicomImageLoader from "@cornerstonejs/dicom-image-loader";
import { linesOf } from "./measures.js";

export { Enums as CoreEnums, imageLoader, cache, tools };
export const ENGINE = "radpost";
export const GROUP = "reading";
const CACHE_BYTES = 1 << 30;
// HTJ2K only: shows what has come so far and refines it (the page marks it until it is all there).
const STREAMABLE = new Set(["1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"]);
const STREAM = { stages: [{ id: "stream", retrieveType: "single" }],
  retrieveOptions: { single: { streaming: true, initialChunkSize: 16384, chunkSize: 32768, msBetweenDecode: 100 } } };

const TOOLS = {
  window: tools.WindowLevelTool, zoom: tools.ZoomTool, pan: tools.PanTool, length: tools.LengthTool, angle: tools.AngleTool,
  ellipse: tools.EllipticalROITool, rectangle: tools.RectangleROITool, probe: tools.ProbeTool,
};
export const MEASURING = ["length", "angle", "ellipse", "rectangle", "probe"];
export const measureOf = (toolName) => MEASURING.find((name) => TOOLS[name].toolName === toolName);

let started = null;
export function start() {
  started ??= begin();
  return started;
}

function begin() {
  coreInit({ rendering: { webGlContextCount: 2 } });
  tools.init();
  dicomImageLoader.init({ maxWebWorkers: Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1)) });
  cache.setMaxCacheSize(CACHE_BYTES);
  const style = tools.annotation.config.style.getDefaultToolStyles();
  tools.annotation.config.style.setDefaultToolStyles({ ...style, global: { ...style.global,
    color: "rgb(255, 214, 90)", colorHighlighted: "rgb(255, 240, 180)", colorSelected: "rgb(120, 220, 255)", lineWidth: "1.5",
    textBoxFontFamily: "Noto Sans SC, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif", textBoxFontSize: "14px",
    textBoxColor: "rgb(255, 214, 90)", textBoxColorHighlighted: "rgb(255, 240, 180)", textBoxColorSelected: "rgb(120, 220, 255)",
    textBoxBackground: "rgba(0, 0, 0, 0.55)", textBoxLinkLineWidth: "1",
  } });
  const engine = new RenderingEngine(ENGINE);
  const group = tools.ToolGroupManager.createToolGroup(GROUP);
  for (const [name, tool] of Object.entries(TOOLS)) {
    tools.addTool(tool);
    group.addTool(tool.toolName, MEASURING.includes(name)
      ? { getTextLines: (data) => linesOf(name, data), storePointData: true, actions: {} } : {});
  }
  return { engine, group };
}

// The tool under the left button; the middle one pans and the right one zooms whatever is chosen.
export function choose(name) {
  const { group } = start();
  const { Primary, Auxiliary, Secondary } = tools.Enums.MouseBindings;
  const bindings = { [name]: [Primary] };
  bindings.pan = [...(bindings.pan ?? []), Auxiliary];
  bindings.zoom = [...(bindings.zoom ?? []), Secondary];
  for (const [key, tool] of Object.entries(TOOLS)) {
    if (bindings[key]) group.setToolActive(tool.toolName, { bindings: bindings[key].map((mouseButton) => ({ mouseButton })) });
    else group.setToolPassive(tool.toolName, { removeAllBindings: true });
  }
}

// Draw a measure between points of the patient, as the keyboard does it; "invalidated" makes the tool work out its figures.
export function draw(name, viewportId, points) {
  const annotationUID = utilities.uuidv4();
  TOOLS[name].hydrate(viewportId, points, { annotationUID });
  const made = tools.annotation.state.getAnnotation(annotationUID);
  if (made) made.invalidated = true;
  tools.utilities.triggerAnnotationRenderForViewportIds([viewportId]);
}

const known = new Set();
// The address of an item as cornerstone names it, its metadata told to the loader.
export function imageIdOf(item) {
  const id = `wadors:${location.origin}${item.url}`;
  if (!known.has(id)) {
    dicomImageLoader.wadors.metaDataManager.add(id, item.meta);
    if (STREAMABLE.has(item.meta["00083002"]?.Value?.[0])) utilities.imageRetrieveMetadataProvider.add(id, STREAM);
    known.add(id);
  }
  return id;
}

// Leave nothing of a patient behind when the page of a read is left.
export function forget() {
  tools.annotation.state.removeAllAnnotations();
  cache.purgeCache();
  dicomImageLoader.wadors.metaDataManager.purge();
  known.clear();
}
