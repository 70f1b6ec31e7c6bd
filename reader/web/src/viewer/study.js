// study.js - a study as a reading page needs it: stacks of images, waveforms, documents, in reading order.
// A stack is the single-frame images of one series, or the frames of one multi-frame instance. An item of a stack is one
// picture; it is proved when the archive has the whole instance and serves it by WADO-RS, else only a first look exists
// (docs/conformance.md, /preview) or nothing yet.
import { all, first, number, numbers, text } from "./tags.js";

const WAVEFORM = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\./;
const REPORT = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\./;
const ENCAPSULATED = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.104\./;
const FULL_SPEED = 10; // frames a second where the object names none

export function kindOf(sopClass, hasRows) {
  if (WAVEFORM.test(sopClass)) return "ecg";
  if (ENCAPSULATED.test(sopClass)) return "pdf";
  if (REPORT.test(sopClass)) return "report";
  return hasRows ? "images" : "other";
}

const instancePath = (study, series, sop) => `/dicomweb/studies/${study}/series/${series}/instances/${sop}`;

// Where a slice lies along the normal of its plane; undefined for what has no place in the patient.
export function along(position, orientation) {
  if (position.length !== 3 || orientation.length !== 6) return undefined;
  const [a, b, c, d, e, f] = orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  return normal[0] * position[0] + normal[1] * position[1] + normal[2] * position[2];
}

// Place and direction of a frame: of the instance, or of the frame's functional groups (PS3.3 C.7.6.16).
function planeOf(d, frame) {
  const own = all(d, "52009230")[frame - 1];
  const shared = first(d, "52009229");
  const group = (tag, inner) => first(first(own, tag), inner) !== undefined ? first(own, tag) : first(shared, tag);
  const place = group("00209113", "00200032");
  const direction = group("00209116", "00200037");
  const position = numbers(place ?? d, "00200032");
  const orientation = numbers(direction ?? d, "00200037");
  return { orientation, along: along(position, orientation) };
}

function itemOf(d, study, frame) {
  const sop = text(d, "00080018");
  const series = text(d, "0020000E");
  return {
    key: `${sop}/${frame}`, sop, series, frame, isProved: true, hasLook: true, meta: d, number: number(d, "00200013"),
    url: `${instancePath(study, series, sop)}/frames/${frame}`, ...planeOf(d, frame),
  };
}

function frameRate(d) {
  const rate = number(d, "00082144") ?? number(d, "00180040");
  const time = number(d, "00181063");
  return rate || (time ? 1000 / time : 0) || FULL_SPEED;
}

function stackOf(d, id, kind) {
  return {
    id, kind, series: text(d, "0020000E"), number: number(d, "00200011"), modality: text(d, "00080060"),
    description: text(d, "0008103E") || text(d, "00181030"), bodyPart: text(d, "00180015"), items: [],
    rate: frameRate(d), frameOfReference: text(d, "00200052"), sop: text(d, "00080018"), meta: d,
  };
}

// By instance number as the device counted; where it did not count, by place; else as they came.
function inReadingOrder(a, b) {
  const byNumber = (a.number ?? Infinity) - (b.number ?? Infinity);
  if (byNumber) return byNumber;
  if (a.sop === b.sop) return a.frame - b.frame;
  return (a.along ?? 0) - (b.along ?? 0) || (a.sop < b.sop ? -1 : 1);
}

const byNumberThenId = (a, b) => (a.number ?? Infinity) - (b.number ?? Infinity) || (a.id < b.id ? -1 : 1);

function addInstance(stacks, d, study) {
  const kind = kindOf(text(d, "00080016"), number(d, "00280010") !== undefined);
  const frames = Math.max(1, number(d, "00280008") ?? 1);
  const isAlone = kind !== "images" || frames > 1;
  const id = isAlone ? `${text(d, "0020000E")}/${text(d, "00080018")}` : text(d, "0020000E");
  if (!stacks.has(id)) stacks.set(id, stackOf(d, id, kind));
  const stack = stacks.get(id);
  for (let frame = 1; frame <= frames; frame++) stack.items.push(itemOf(d, study, frame));
}

// What is still on its way: its number is not known yet, so it stands behind what is here.
function addLook(stacks, look, study) {
  const isAlone = look.frames > 1;
  const id = isAlone ? `${look.series}/${look.instance}` : look.series;
  const kind = kindOf(look.sop_class, true);
  if (kind !== "images") return;
  if (!stacks.has(id))
    stacks.set(id, { id, kind, series: look.series, modality: "", description: "", bodyPart: "", items: [], rate: FULL_SPEED,
      frameOfReference: "", sop: look.instance, meta: null });
  // Of a multi-frame the middle frame comes first, then every eighth: each can be looked at by itself.
  const frames = new Set(look.frames_here);
  for (let frame = 1; frame <= Math.max(1, look.frames); frame++) {
    const layersHere = look.layers_here || (frames.has(frame) ? 1 : 0);
    stacks.get(id).items.push({
      key: `${look.instance}/${frame}`, sop: look.instance, series: look.series, frame, isProved: false,
      hasLook: layersHere > 0, layers: look.layers, layersHere,
      url: `/preview/studies/${study}/instances/${look.instance}/frames/${frame}?layers=${layersHere}`,
    });
  }
}

// metadata: the study's DICOM JSON (whole instances only); looks: `instances` of GET /preview/studies/{study}.
export function stacksOf(study, metadata, looks = []) {
  const stacks = new Map();
  const whole = new Set();
  for (const d of metadata) {
    whole.add(text(d, "00080018"));
    addInstance(stacks, d, study);
  }
  for (const look of looks) if (!whole.has(look.instance)) addLook(stacks, look, study);
  for (const stack of stacks.values()) {
    const proved = stack.items.filter((item) => item.isProved).sort(inReadingOrder);
    stack.items = [...proved, ...stack.items.filter((item) => !item.isProved)];
  }
  const rank = { images: 0, ecg: 0, pdf: 1, report: 1, other: 2 };
  return [...stacks.values()].sort((a, b) => rank[a.kind] - rank[b.kind] || byNumberThenId(a, b));
}

// The address of the small picture of a stack: null while there is none.
export function thumbnailOf(study, stack) {
  if (stack.kind !== "images") return null;
  const proved = stack.items.find((item) => item.isProved);
  if (proved && stack.id.includes("/")) return `${instancePath(study, stack.series, stack.sop)}/thumbnail`;
  if (proved) return `/dicomweb/studies/${study}/series/${stack.series}/thumbnail`;
  return stack.items.find((item) => item.hasLook)?.url ?? null;
}

export const bulkdataPath = (study, d, uri) =>
  `${instancePath(study, text(d, "0020000E"), text(d, "00080018"))}/bulkdata/${uri.split("/bulkdata/").pop()}`;
